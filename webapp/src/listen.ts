/** What the browser tells, told to a component as long as it is there. */
import { useLayoutEffect, useRef } from 'preact/hooks';

/** Always to the newest `heard`; from the moment the component is drawn, so that nothing passes unheard. */
export function useListener<E extends Event>(target: EventTarget, type: string, heard: (event: E) => void): void {
  const newest = useRef(heard);
  newest.current = heard;
  useLayoutEffect(() => {
    const listener = (event: Event) => newest.current(event as E);
    target.addEventListener(type, listener);
    return () => target.removeEventListener(type, listener);
  }, []);
}
