/** What the API offers this page: models, how answers arrive, what to ask first. */
import { useEffect, useState } from 'preact/hooks';

export interface Config {
  models: string[];
  delivery: 'streamed' | 'buffered' | 'direct';
  suggestions: string[];
  /** Whether this user may set a system prompt of their own. */
  system_prompt: boolean;
}

/** Before the API has said: what every one of them can do. */
const USUAL: Config = { models: [], delivery: 'streamed', suggestions: [], system_prompt: false };

/** What the API says, asked for once; a promise, so that a question can wait for it. */
export const config: Promise<Config> = fetch('/api/config', { redirect: 'manual' })
  .then(async (response): Promise<Config> => (response.ok ? { ...USUAL, ...(await response.json()) } : USUAL))
  .catch(() => USUAL);

export function useConfig(): Config {
  const [found, setFound] = useState(USUAL);
  useEffect(() => void config.then(setFound), []);
  return found;
}
