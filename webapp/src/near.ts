/** Whether something is on the screen, or nearly: work for what nobody sees yet can wait. */
import type { RefObject } from 'preact';
import { useEffect, useState } from 'preact/hooks';

const heard = new WeakMap<Element, () => void>();
let observer: IntersectionObserver | undefined;

function observe(element: Element, near: () => void): () => void {
  observer ??= new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) if (isIntersecting) heard.get(target)?.();
    },
    // A newer option than the types know: the conversation scrolls in a box of its own.
    { rootMargin: '100%', scrollMargin: '100%' } as IntersectionObserverInit,
  );
  heard.set(element, near);
  observer.observe(element);
  return () => observer!.unobserve(element);
}

/** Once near, it stays so. */
export function useNear(element: RefObject<Element | null>): boolean {
  const [near, setNear] = useState(false);
  useEffect(() => (near ? undefined : observe(element.current!, () => setNear(true))), [near]);
  return near;
}
