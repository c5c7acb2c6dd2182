/** Every sentence of the page: the one file to translate. */
import type { State } from './conversation';
import type { Failure } from './completion';

export const TITLE = 'ChatGPT on Azure';
export const NEW_CHAT = 'New chat';
export const GREETING = 'How can I help you today?';
export const USAGE =
  "This is a proof of concept ChatGPT-like app running on Microsoft's Azure OpenAI service. Data entered into this app may be visible to your organisation's admins, and Microsoft for abuse monitoring. Redact sensitive data from your input. Proofread and fact-check the output.";
export const USAGE_LINKS = [
  ['Privacy statement', 'https://go.microsoft.com/fwlink/?LinkId=521839'],
  ['Responsible AI', 'https://www.microsoft.com/ai/responsible-ai'],
] as const;
export const FOOTER = 'AI-generated content may be incorrect.';
export const PLACEHOLDER = { focused: 'Press shift-enter for multi line', blurred: 'Press / to start typing', plain: 'Ask anything' };
export const STILL_WAITING = 'Still waiting for the model…';
export const STOPPED = 'You stopped this answer.';
export const OFFLINE = 'You are offline. Messages can be sent when the connection is back.';
export const SIGNED_OUT = { title: 'You have been signed out', text: 'Sign in again to continue. Your draft is kept.' };
export const CLEAR = { title: 'Clear this chat?', text: 'It will be deleted from this device.' };
export const WIPE = {
  title: 'Delete your data on this device?',
  text: 'All chats and settings that this browser keeps will be deleted. This cannot be undone.',
};
export const NO_HISTORY = 'History is off in this browser mode.';
export const NO_CHATS = 'Your chats will be listed here. They stay on this device.';
export const CONTINUE = 'Continue';
export const FILTER_LINK = ['Learn more about content filtering', 'https://go.microsoft.com/fwlink/?linkid=2198766'] as const;

/** What a screen reader is told of the last turn. */
export const STATUS: Record<State, string> = {
  sending: 'Generating answer',
  streaming: 'Generating answer',
  done: 'Answer complete',
  stopped: 'Answer stopped',
  interrupted: '',
  failed: '',
  limited: '',
};

export const FINISHES: Record<string, string> = {
  content_filter: 'The answer was stopped by the content filter.',
  length: 'The answer reached the length limit.',
};

/** What can be done about a turn, in the order it is offered. */
export type WayOut = 'edit' | 'retry' | 'regenerate' | 'continue' | 'start' | 'access';

export const WAYS_OUT: Record<WayOut, string> = {
  edit: 'Edit message',
  retry: 'Retry',
  regenerate: 'Regenerate answer',
  continue: 'Continue',
  start: 'Start new chat',
  access: 'Copy a request for access',
};

interface Explained {
  text: string;
  ways: WayOut[];
}

const LOST: Explained = { text: 'The connection was lost before the answer was complete.', ways: ['continue', 'regenerate'] };
const SLOW = 'The model took too long to answer.';
const FILTERED = 'Your message was not sent to the model because it triggered the content filter.';
const LIMITED = 'Too many requests right now.';
const QUOTA = 'The quota for this model is used up.';

/** By the failure's code, where there is no answer at all. */
export const FAILURES: Record<string, Explained> = {
  content_filter: { text: `${FILTERED} Please modify your prompt and retry.`, ways: ['edit'] },
  context_length_exceeded: { text: 'This conversation is too long for the model.', ways: ['start', 'edit'] },
  forbidden: { text: 'You do not have permission to use this application.', ways: ['access'] },
  insufficient_quota: { text: `${QUOTA} Try again later or contact your administrator.`, ways: ['retry'] },
  interrupted: { text: 'The answer did not arrive.', ways: ['retry'] },
  network: { text: 'There was a connection problem. Please check your internet connection and retry.', ways: ['retry'] },
  rate_limit_exceeded: { text: LIMITED, ways: ['retry'] },
  signed_out: { text: `${SIGNED_OUT.title}.`, ways: [] },
  upstream_timeout: { text: SLOW, ways: ['retry'] },
};
const UNKNOWN: Explained = { text: 'Something went wrong, please try again.', ways: ['retry'] };

/** What to say of a failure and what to offer; `partial` where some of the answer is there. */
export function explained(failure: Failure, partial: boolean): Explained {
  if (partial) return failure.code === 'upstream_timeout' ? { ...LOST, text: SLOW } : LOST;
  const known = FAILURES[failure.code] ?? UNKNOWN;
  if (failure.code !== 'content_filter' || !failure.filtered.length) return known;
  return { ...known, text: `${FILTERED} Reason: ${failure.filtered.map(category).join(', ')}. Please modify your prompt and retry.` };
}

/** Whether the text says so little that a reference helps. */
export function needsReference(failure: Failure, partial: boolean): boolean {
  return !partial && !(failure.code in FAILURES) && failure.requestId !== '';
}

function category(found: string): string {
  return found.replace(/^jailbreak/, 'attempt to bypass safety rules');
}

const LONG_S = 3600;

/** What to say of a limit that ends in so many seconds. */
export function waiting(seconds: number): string {
  if (seconds > LONG_S) {
    const until = new Date(Date.now() + seconds * 1000).toLocaleString(undefined, {
      ...(seconds > 12 * LONG_S && { weekday: 'long' }),
      hour: '2-digit',
      minute: '2-digit',
    });
    return `${QUOTA} Try again after ${until} or contact your administrator.`;
  }
  if (seconds <= 0) return `${LIMITED} You can retry now.`;
  return `${LIMITED} You can retry in ${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}.`;
}

export function retryingIn(seconds: number): string {
  return seconds > 0 ? `Retrying in ${seconds} seconds` : 'Retrying now';
}

export function requestForAccess(user: string, id: string): string {
  return `Please give me access to ${TITLE} at ${location.origin}. I am signed in as ${user} (user ID ${id}) and have no role there yet.`;
}

/** Questions to begin with, where the API proposes none. */
export const SUGGESTIONS = [
  'How do I sort a list in Python? Show code.',
  'Name five kinds of fruit and a fact about each.',
  'Tell me about lighthouses.',
  'What is the capital of France?',
];

export const SHORTCUTS: [string, string][] = [
  ['/ or \\', 'Write a message'],
  ['Enter', 'Send'],
  ['Shift + Enter', 'New line'],
  ['Esc', 'Stop the answer, or close what is open'],
  ['↑ in an empty box', 'Edit your last message'],
  ['Ctrl + Shift + O', 'New chat'],
  ['Ctrl + K', 'Search chats'],
  ['Ctrl + Shift + C', 'Copy the last code'],
  ['?', 'This list'],
];
