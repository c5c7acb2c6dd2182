/** What is loaded when it is first needed, so that the first load stays small. */
import { useEffect, useState } from 'preact/hooks';

/** A hook that gives it; undefined until it is needed and there, and where it cannot be had. */
export function lazily<T extends object>(load: () => Promise<T>): (needed: boolean) => T | undefined {
  let there: T | undefined;
  return (needed) => {
    const [, draw] = useState(there);
    useEffect(() => {
      if (!needed || there) return;
      load().then(
        (found) => {
          there = found;
          draw(found);
        },
        () => undefined, // what needs it is drawn without it
      );
    }, [needed]);
    return there;
  };
}
