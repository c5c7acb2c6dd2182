/** Every sentence of the page. */
import type { Problem } from './completion';

export const TITLE = 'ChatGPT on Azure';
export const GREETING = 'How can I help you today?';
export const USAGE =
  "This is a proof of concept ChatGPT-like app running on Microsoft's Azure OpenAI service. Data entered into this app may be visible to your organisation's admins, and Microsoft for abuse monitoring. Redact sensitive data from your input. Proofread and fact-check the output.";
export const FOOTER = 'AI-generated content may be incorrect.';
export const SIGNED_OUT = 'Sign in again to continue. Your draft is kept.';

export const STATUS = {
  sending: 'Generating answer',
  streaming: 'Generating answer',
  done: 'Answer complete',
  stopped: 'Answer stopped',
  interrupted: '',
  failed: '',
} as const;

const INTERRUPTED = 'The connection was lost before the answer was complete.';

const PROBLEMS: Record<string, string> = {
  content_filter: 'Your message was not sent to the model because it triggered the content filter. Please modify your prompt and retry.',
  context_length_exceeded: 'This conversation is too long for the model.',
  forbidden: 'You do not have permission to use this application.',
  insufficient_quota: 'The quota for this model is used up. Try again later or contact your administrator.',
  network: 'There was a connection problem. Please check your internet connection and retry.',
  rate_limit_exceeded: 'Too many requests right now. Please wait a moment and retry.',
  signed_out: 'You have been signed out.',
  upstream_timeout: 'The model took too long to answer.',
};

/** The sentence for a turn that has no answer, or not all of it; `partial` says whether some of it is there. */
export function explain(problem: Problem, partial: boolean): string {
  if (partial && ['interrupted', 'network', 'upstream_unavailable'].includes(problem.code)) return INTERRUPTED;
  return PROBLEMS[problem.code] ?? 'Something went wrong, please try again.';
}

/** Whether the text of a problem says so little that a reference helps. */
export function needsReference(problem: Problem, partial: boolean): boolean {
  return !partial && !(problem.code in PROBLEMS);
}

export const FINISHES: Record<string, string> = {
  content_filter: 'The answer was stopped by the content filter.',
  length: 'The answer reached the length limit.',
};

/** Questions the shipped recordings answer. */
export const SUGGESTIONS = [
  'How do I sort a list in Python? Show code.',
  'Name five kinds of fruit and a fact about each.',
  'Tell me about lighthouses.',
  'What is the capital of France?',
];
