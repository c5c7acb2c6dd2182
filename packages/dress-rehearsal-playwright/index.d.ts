import type { Page, PlaywrightTestArgs, PlaywrightTestOptions, PlaywrightWorkerArgs, PlaywrightWorkerOptions, TestType } from '@playwright/test';

/** Which requests are meant, as in a scenario: docs/scenarios.md. */
export interface When {
  /** The last user message, exactly. */
  prompt?: string;
  /** A part of the last user message. */
  contains?: string;
  /** A regular expression that the last user message matches. */
  pattern?: string;
  [criterion: string]: unknown;
}

/** One entry of a scenario, sent as it is: docs/scenarios.md. */
export interface Stub {
  when?: When;
  say?: string;
  call?: Record<string, Record<string, unknown>> | Record<string, Record<string, unknown>>[];
  refusal?: string;
  reasoning?: string;
  reasoning_content?: string;
  citations?: { url?: string; file_id?: string; title?: string; quote?: string }[];
  context?: Record<string, unknown>;
  finish?: string;
  usage?: { input?: number; cached?: number; output?: number; reasoning?: number };
  pace?: { first_ms?: number; each_ms?: number };
  filter?: string;
  status?: number;
  error?: string | Record<string, unknown>;
  body?: unknown;
  events?: (string | Record<string, unknown>)[];
  headers?: Record<string, string>;
  /** What goes wrong: docs/faults.md. */
  fault?: string;
  after?: number;
  wait_ms?: number;
  retry_after?: string | number;
  times?: number;
}

/** Answers this test's requests: with a text, to any question or to the one in `to`; or as an entry of a scenario says. */
export interface Say {
  (text: string, more?: Omit<Stub, 'say'> & { to?: string }): Promise<void>;
  (...stubs: Stub[]): Promise<void>;
}

/** An answer that goes on only when it is told to. */
export interface Held {
  /** Lets so many pieces leave, 1 where nothing is said, and returns their text once they have left; with 0 the head alone. */
  step(pieces?: number): Promise<string>;
  /** Lets it go wrong: `dropped`, `stall` and the like after what has left, any fault where nothing has. */
  fault(kind: string): Promise<void>;
  /** Lets it go on by itself. */
  release(): Promise<void>;
  /** How far it is. */
  state(): Promise<{ state: string; sent: number; left: number; text: string }>;
}

/** Holds the next answer to a question, to what `when` says, or to any. */
export type Hold = (to?: string | { when: When }) => Promise<Held>;

/** One exchange that was seen. */
export interface Exchange {
  number: number;
  place: 'site' | 'host' | 'model';
  persona: string | null;
  method: string;
  target: string;
  body: unknown;
  rule: string;
  attempt: number;
  status: number | null;
  decided_by: string;
  end: string;
  events_sent: number;
  took_ms: number;
}

/** Which exchanges are meant; `status: '500-599'` is a range: docs/testing.md. */
export type Criteria = Record<string, string | number | boolean>;

/** What happened in this test, at the model where nothing else is said. */
export interface Journal {
  entries(criteria?: Criteria): Promise<Exchange[]>;
  /** Fails unless exactly so many exchanges fit within three seconds; the error shows what came. */
  verify(times: number, criteria?: Criteria): Promise<void>;
}

/** This test's own scope of a running `dress-rehearsal up`. */
export interface Rehearsal {
  /** Sent with a request, they make it this test's. */
  readonly headers: Record<string, string>;
  /** Lays a scenario over the recordings, for this test alone; null for none. */
  scenario(name: string | null): Promise<void>;
}

export interface RehearsalOptions {
  /** The model's address in the output of `dress-rehearsal up`. Default: MODEL_URL, else http://127.0.0.1:4281. */
  modelUrl: string;
  /** Whether a request that nothing answers fails the test. Default: `fail`. */
  misses: 'fail' | 'allow';
}

export interface RehearsalFixtures {
  rehearsal: Rehearsal;
  say: Say;
  hold: Hold;
  journal: Journal;
  /** A page of a browser of its own in which somebody has signed in. */
  persona: (name: string) => Promise<Page>;
}

export const test: TestType<
  PlaywrightTestArgs & PlaywrightTestOptions & RehearsalOptions & RehearsalFixtures,
  PlaywrightWorkerArgs & PlaywrightWorkerOptions
>;
export { expect } from '@playwright/test';
