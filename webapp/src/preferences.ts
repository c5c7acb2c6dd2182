/** What somebody chose for this browser; it survives without the database. */
import { useEffect, useState } from 'preact/hooks';
import { keep, kept } from './kept';

export interface Preferences {
  theme: 'system' | 'light' | 'dark';
  /** Whether single keys do something: `/` and `?`. */
  singleKeys: boolean;
  model: string;
  systemPrompt: string;
  /** Of the page's languages; empty is the browser's. */
  language: string;
}

const KEY = 'preferences';
export const USUAL: Preferences = { theme: 'system', singleKeys: true, model: '', systemPrompt: '', language: '' };

const AT_START = preferences();
if (globalThis.document) show(AT_START.theme); // before anything is drawn

function show(theme: Preferences['theme']): void {
  document.documentElement.dataset.theme = theme;
  document.querySelector('meta[name=color-scheme]')?.setAttribute('content', theme === 'system' ? 'light dark' : theme);
}

export function usePreferences(): [Preferences, (changed: Partial<Preferences>) => void] {
  const [chosen, setChosen] = useState(preferences);
  useEffect(() => {
    show(chosen.theme);
    keep(KEY, chosen);
    if (chosen.language !== AT_START.language) location.reload();
  }, [chosen]);
  return [chosen, (changed) => setChosen((before) => ({ ...before, ...changed }))];
}

/** What is chosen now. */
export function preferences(): Preferences {
  return { ...USUAL, ...kept<Partial<Preferences>>(KEY) };
}
