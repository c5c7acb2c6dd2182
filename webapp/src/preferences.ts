/** What somebody chose for this browser; it survives without the database. */
import { useEffect, useState } from 'preact/hooks';

export interface Preferences {
  theme: 'system' | 'light' | 'dark';
  /** Whether single keys do something: `/` and `?`. */
  singleKeys: boolean;
  model: string;
  systemPrompt: string;
}

const KEY = 'preferences';
const USUAL: Preferences = { theme: 'system', singleKeys: true, model: '', systemPrompt: '' };

export function usePreferences(): [Preferences, (changed: Partial<Preferences>) => void] {
  const [chosen, setChosen] = useState(read);
  useEffect(() => {
    document.documentElement.dataset.theme = chosen.theme;
    document.querySelector('meta[name=color-scheme]')?.setAttribute('content', chosen.theme === 'system' ? 'light dark' : chosen.theme);
    attempt(() => localStorage.setItem(KEY, JSON.stringify(chosen)));
  }, [chosen]);
  return [chosen, (changed) => setChosen((before) => ({ ...before, ...changed }))];
}

export function forgetPreferences(): void {
  attempt(() => localStorage.removeItem(KEY));
}

function read(): Preferences {
  return { ...USUAL, ...attempt(() => JSON.parse(localStorage.getItem(KEY) ?? '{}')) };
}

/** What it gives; undefined where the browser keeps nothing for us, or what is kept is broken. */
function attempt<T>(what: () => T): T | undefined {
  try {
    return what();
  } catch {
    return undefined;
  }
}
