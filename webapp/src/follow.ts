/** Where a log that grows stands: where it was put, or, for who went to the end, at the end until they scroll away from it. */
import { useRef, useState } from 'preact/hooks';

const NEAR_PX = 48;

export interface Following {
  /** Whether the end is out of sight. */
  away: boolean;
  /** For the element that scrolls. */
  listeners: {
    onScroll: () => void;
    onWheel: (event: WheelEvent) => void;
    onTouchStart: () => void;
    onKeyDown: (event: KeyboardEvent) => void;
    onPointerDown: () => void;
  };
  /** What it shows has grown, or is another. */
  changed: () => void;
  /** What it shows has grown above what is seen, which stays where it is. */
  grewAbove: () => void;
  /** Show what is so many pixels down, and stay there. */
  put: (top: number) => void;
  /** Show the end, and stay there while it grows if `on`. */
  toEnd: (on: boolean) => void;
}

/** Whatever goes up by hand ends following at once, before anything is drawn; whoever comes to the end by hand is kept there. */
export function useFollow(box: { current: HTMLElement | null }): Following {
  const [away, setAway] = useState(false);
  const at = useRef({ follows: false, top: 0, height: 0, byHand: false });
  const state = at.current;
  const measure = () => {
    const { scrollHeight, scrollTop, clientHeight } = box.current!;
    return { top: scrollTop, height: scrollHeight, left: scrollHeight - scrollTop - clientHeight };
  };
  /** Whether somebody scrolled up since it was last looked at: what got shorter moves it, too. */
  const look = () => {
    const { top, height, left } = measure();
    if (top < state.top - 1 && height >= state.height) state.follows = false;
    else if (state.byHand && top > state.top && left < NEAR_PX) state.follows = true;
    Object.assign(state, { top, height });
    setAway(left > NEAR_PX);
  };
  const scrollTo = (top: number) => {
    box.current!.scrollTo({ top });
    Object.assign(state, measure());
    setAway(measure().left > NEAR_PX);
  };
  const byHand = (up: boolean) => {
    state.byHand = true;
    if (up) state.follows = false;
  };
  return {
    away,
    listeners: {
      onScroll: look,
      onWheel: (event) => byHand(event.deltaY < 0),
      onTouchStart: () => byHand(false),
      onKeyDown: (event) => byHand(['ArrowUp', 'PageUp', 'Home'].includes(event.key) || (event.key === ' ' && event.shiftKey)),
      onPointerDown: () => byHand(false), // the scrollbar
    },
    changed() {
      look();
      if (state.follows) scrollTo(measure().height);
    },
    grewAbove() {
      scrollTo(measure().top + measure().height - state.height);
    },
    put(top) {
      Object.assign(state, { follows: false, byHand: false });
      scrollTo(top);
    },
    toEnd(on) {
      state.follows = on;
      scrollTo(measure().height);
    },
  };
}
