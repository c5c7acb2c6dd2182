/** How any part of the page has a screen reader told something: the one polite status region. */
import { createContext } from 'preact';

export const Say = createContext<(status: string) => void>(() => undefined);
