/** Which rows of a long list are worth drawing: those in sight, and some around them. */
import { useLayoutEffect, useState } from 'preact/hooks';

/** As high as a row is in the style sheet, in rem. */
const ROW_REM = 2.25;
const AROUND = 12;
/** A list this short is drawn whole. */
const SHORT = 60;

export interface Shown {
  from: number;
  to: number;
  /** The room of the rows that are not drawn, in pixels. */
  before: number;
  after: number;
}

export function useWindow(box: { current: HTMLElement | null }, rows: number): Shown {
  const [view, setView] = useState({ top: 0, height: 0, row: 1 });
  useLayoutEffect(() => {
    const element = box.current!;
    const look = () => {
      const row = ROW_REM * Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
      // By the row, so that nothing is drawn again for less.
      const top = Math.floor(element.scrollTop / row);
      setView((before) =>
        before.top === top && before.height === element.clientHeight ? before : { top, height: element.clientHeight, row },
      );
    };
    look();
    const resized = new ResizeObserver(look);
    resized.observe(element);
    element.addEventListener('scroll', look, { passive: true });
    return () => {
      resized.disconnect();
      element.removeEventListener('scroll', look);
    };
  }, []);
  if (rows <= SHORT) return { from: 0, to: rows, before: 0, after: 0 };
  const from = Math.max(0, Math.min(view.top, rows) - AROUND);
  const to = Math.min(rows, view.top + Math.ceil(view.height / view.row) + AROUND);
  return { from, to, before: from * view.row, after: (rows - to) * view.row };
}
