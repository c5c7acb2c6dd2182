/** What the API offers this page: models, how answers arrive, what to ask. */
import { useEffect, useState } from 'preact/hooks';

export interface Suggestion {
  /** What it is about; empty where nobody says. */
  topic: string;
  question: string;
}

export interface Config {
  models: string[];
  delivery: 'streamed' | 'buffered' | 'direct';
  suggestions: Suggestion[];
  /** What to ask after an answer. */
  follow_ups: string[];
  /** Whether images may be sent. */
  images: boolean;
  /** `bytes` is how long a request may be. */
  limits: { bytes: number };
  /** Whether this user may set a system prompt of their own. */
  system_prompt: boolean;
}

/** Before the API has said: what every one of them can do. */
const USUAL: Config = {
  models: [],
  delivery: 'streamed',
  suggestions: [],
  follow_ups: [],
  images: false,
  limits: { bytes: 30_000_000 }, // as the gate has it. Source: Static Web Apps, quotas
  system_prompt: false,
};

/** What the API says, asked for once; a promise, so that a question can wait for it. */
export const config: Promise<Config> = fetch('/api/config', { redirect: 'manual' })
  .then(async (response): Promise<Config> => (response.ok ? { ...USUAL, ...(await response.json()) } : USUAL))
  .catch(() => USUAL);

/** What is known by now, so that what is drawn later starts with it. */
let known = USUAL;
void config.then((found) => {
  known = found;
});

export function useConfig(): Config {
  const [found, setFound] = useState(known);
  useEffect(() => void config.then(setFound), []);
  return found;
}
