/** A conversation as plain data, a tree of messages, and one pure function; nothing here knows the page or the network. */
import type { Failure, Usage, Wire } from './completion';

/** How far a message is. `sending` waits for the first word; `limited` may be asked again at `failure.retryAt`. */
export const STATES = ['sending', 'streaming', 'done', 'stopped', 'interrupted', 'failed', 'limited'] as const;
export type State = (typeof STATES)[number];

export interface Message {
  id: string;
  /** What it answers or follows; null begins the conversation. Messages of one parent are versions of each other. */
  parent: string | null;
  role: 'user' | 'assistant';
  content: string;
  at: number;
  state: State;
  /** Why the model stopped; null while it writes. */
  finish: string | null;
  usage: Usage | null;
  failure: Failure | null;
}

export interface Conversation {
  id: string;
  title: string;
  /** When it last changed, in milliseconds since 1970. */
  at: number;
  messages: Message[];
  /** The last message of the branch that is shown. */
  leaf: string | null;
  /** When somebody gave it its title, in milliseconds since 1970; absent where it is the first question's words. */
  named?: number | undefined;
}

export type Action =
  | { type: 'ask'; text: string; parent: string | null; ids: [string, string]; at: number }
  | { type: 'again'; question: string; id: string; at: number }
  | { type: 'grow'; id: string; content: string }
  | { type: 'finish'; id: string; reason: string }
  | { type: 'usage'; id: string; usage: Usage }
  | { type: 'end'; id: string; state: State; failure?: Failure }
  | { type: 'show'; id: string }
  | { type: 'rename'; title: string; at: number };

const TITLE_LENGTH = 48;

/** A chat's title until somebody gives it another: how its first question begins. */
export function titleOf(question: string): string {
  return [...question.trim().replace(/\s+/g, ' ')].slice(0, TITLE_LENGTH).join('');
}

export function fresh(id: string, at: number): Conversation {
  return { id, title: '', at, messages: [], leaf: null };
}

export function reduce(conversation: Conversation, action: Action): Conversation {
  switch (action.type) {
    case 'ask': {
      const [id, answer] = action.ids;
      const question = { ...blank(id, action.parent, 'user', action.at), content: action.text, state: 'done' as const };
      const title = conversation.title || titleOf(action.text);
      return grown({ ...conversation, title }, [question, blank(answer, id, 'assistant', action.at)], action.at);
    }
    case 'again':
      return grown(conversation, [blank(action.id, action.question, 'assistant', action.at)], action.at);
    case 'grow':
      return change(conversation, action.id, { content: action.content, state: 'streaming' });
    case 'finish':
      return change(conversation, action.id, { finish: action.reason });
    case 'usage':
      return change(conversation, action.id, { usage: action.usage });
    case 'end':
      return change(conversation, action.id, { state: action.state, failure: action.failure ?? null });
    case 'show':
      return { ...conversation, leaf: newestBelow(conversation, action.id) };
    case 'rename':
      return { ...conversation, title: action.title, named: action.at };
  }
}

/** The messages that are shown, first to last. */
export function branch(conversation: Conversation): Message[] {
  const shown: Message[] = [];
  for (let at = find(conversation, conversation.leaf); at; at = find(conversation, at.parent)) shown.unshift(at);
  return shown;
}

/** A message and its other versions, oldest first. */
export function versions(conversation: Conversation, message: Message): Message[] {
  return conversation.messages.filter((each) => each.parent === message.parent && each.role === message.role);
}

/** What the model is sent to answer a question: everything before it that was answered, and the question itself. */
export function context(conversation: Conversation, question: string): Wire[] {
  const before = branch({ ...conversation, leaf: question });
  return before.flatMap((message, index): Wire[] => {
    if (message.id === question) return [wire(message)];
    const answer = before[index + 1];
    if (message.role === 'user') return answer && isKept(answer) ? [wire(message)] : [];
    return isKept(message) ? [wire(message)] : [];
  });
}

/** As it was left: what was under way when its page went away will not come any more. */
export function settled(conversation: Conversation): Conversation {
  const messages = conversation.messages.map((message): Message => {
    if (!isUnderWay(message)) return message;
    const failure = { code: 'interrupted', requestId: '', retryAt: null, filtered: [] };
    return { ...message, state: message.content ? 'interrupted' : 'failed', failure };
  });
  return { ...conversation, messages };
}

/** One conversation of two tabs' copies: nobody's messages are lost, of two copies of one the further one counts, and so does the title given last. */
export function merged(kept: Conversation, mine: Conversation): Conversation {
  const theirs = new Map(kept.messages.map((message) => [message.id, message]));
  const known = new Set(mine.messages.map(({ id }) => id));
  const messages = mine.messages.map((message) => further(theirs.get(message.id), message));
  const at = Math.max(kept.at, mine.at);
  const { title, named } = (kept.named ?? 0) > (mine.named ?? 0) ? kept : mine;
  return {
    ...mine,
    title,
    named,
    at,
    messages: [...kept.messages.filter(({ id }) => !known.has(id)), ...messages].sort((one, other) => one.at - other.at),
  };
}

function further(theirs: Message | undefined, mine: Message): Message {
  return theirs && (theirs.content.length > mine.content.length || (theirs.finish && !mine.finish)) ? theirs : mine;
}

export function isUnderWay(message: Message | undefined): boolean {
  return message?.state === 'sending' || message?.state === 'streaming';
}

/** Whether an answer can be built on: there is one, and the filter did not object to it. */
function isKept(answer: Message): boolean {
  return answer.content !== '' && answer.finish !== 'content_filter';
}

function wire({ role, content }: Message): Wire {
  return { role, content };
}

function find(conversation: Conversation, id: string | null): Message | undefined {
  return conversation.messages.find((message) => message.id === id);
}

function newestBelow(conversation: Conversation, id: string): string {
  const below = conversation.messages.filter((message) => message.parent === id).at(-1);
  return below ? newestBelow(conversation, below.id) : id;
}

function grown(conversation: Conversation, added: Message[], at: number): Conversation {
  return { ...conversation, at, messages: [...conversation.messages, ...added], leaf: added.at(-1)!.id };
}

function change(conversation: Conversation, id: string, changed: Partial<Message>): Conversation {
  const messages = conversation.messages.map((message) => (message.id === id ? { ...message, ...changed } : message));
  return { ...conversation, messages };
}

function blank(id: string, parent: string | null, role: Message['role'], at: number): Message {
  return { id, parent, role, content: '', at, state: 'sending', finish: null, usage: null, failure: null };
}
