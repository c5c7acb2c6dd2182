/** A conversation as plain data, a tree of messages, and one pure function; nothing here knows the page or the network. */
import type { Failure, Part, Progress, Source, ToolCall, Usage, Wire } from './completion';

/** How far a message is. `sending` waits for the first word; `limited` may be asked again at `failure.retryAt`. */
export const STATES = ['sending', 'streaming', 'done', 'stopped', 'interrupted', 'failed', 'limited'] as const;
export type State = (typeof STATES)[number];

/** What somebody sends with a question: an image as a data: address, or a file's text. */
export interface Attachment {
  kind: 'image' | 'text';
  name: string;
  data: string;
}

/** What the model has given of an answer. */
export interface Growth {
  content: string;
  /** What the model says of its thoughts. */
  reasoning?: string | undefined;
  tools?: ToolCall[] | undefined;
  sources?: Source[] | undefined;
}

export type Rating = 'up' | 'down';

export interface Message extends Growth {
  id: string;
  /** What it answers or follows; null begins the conversation. Messages of one parent are versions of each other. */
  parent: string | null;
  role: 'user' | 'assistant';
  at: number;
  state: State;
  /** Why the model stopped; null while it writes. */
  finish: string | null;
  usage: Usage | null;
  failure: Failure | null;
  attachments?: Attachment[] | undefined;
  /** What the API's log calls the request that it answers. */
  request?: string | undefined;
  rating?: Rating | undefined;
}

/** What the list shows of a conversation. */
export interface Summary {
  id: string;
  title: string;
  /** When it last changed, in milliseconds since 1970. */
  at: number;
  /** When somebody gave it its title, in milliseconds since 1970; absent where it is the first question's words. */
  named?: number | undefined;
  /** When it was pinned to the top of the list, or, as a negative number, when it was let go again. */
  pinned?: number | undefined;
}

export interface Conversation extends Summary {
  messages: Message[];
  /** The last message of the branch that is shown. */
  leaf: string | null;
}

export type Action =
  | { type: 'ask'; text: string; attachments?: Attachment[]; parent: string | null; ids: [string, string]; at: number }
  | { type: 'again'; question: string; id: string; at: number }
  | { type: 'begin'; id: string; request: string }
  | { type: 'grow'; id: string; growth: Growth }
  | { type: 'finish'; id: string; reason: string }
  | { type: 'usage'; id: string; usage: Usage }
  | { type: 'end'; id: string; state: State; failure?: Failure }
  | { type: 'show'; id: string }
  | { type: 'rename'; title: string; at: number }
  | { type: 'pin'; pinned: boolean; at: number }
  | ({ type: 'kept' } & Pick<Summary, 'title' | 'named' | 'pinned'>)
  | { type: 'rate'; id: string; rating: Rating | undefined };

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
      const question = {
        ...blank(id, action.parent, 'user', action.at),
        content: action.text,
        ...(action.attachments?.length && { attachments: action.attachments }),
        state: 'done' as const,
      };
      const title = conversation.title || titleOf(action.text || (action.attachments?.[0]?.name ?? ''));
      return added({ ...conversation, title }, [question, blank(answer, id, 'assistant', action.at)], action.at);
    }
    case 'again':
      return added(conversation, [blank(action.id, action.question, 'assistant', action.at)], action.at);
    case 'begin': // anew, or where an answer goes on
      return change(conversation, action.id, { request: action.request, finish: null, failure: null, rating: undefined, state: 'sending' });
    case 'grow':
      return change(conversation, action.id, { ...action.growth, state: 'streaming' });
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
    case 'pin':
      return { ...conversation, pinned: action.pinned ? action.at : -action.at };
    case 'kept': // as another tab has it
      return { ...conversation, title: action.title, named: action.named, pinned: action.pinned };
    case 'rate':
      return change(conversation, action.id, { rating: action.rating });
  }
}

/** What there is of an answer, and what came next of it. */
export function grown(growth: Growth, came: Progress): Growth {
  if ('text' in came) return { ...growth, content: growth.content + came.text };
  if ('reasoning' in came) return { ...growth, reasoning: (growth.reasoning ?? '') + came.reasoning };
  if ('sources' in came) return { ...growth, sources: [...(growth.sources ?? []), ...came.sources] };
  if (!('tool' in came)) return growth;
  const tools = [...(growth.tools ?? [])];
  const { index, name, arguments: more } = came.tool;
  const at = Math.min(index, tools.length); // no holes, whatever a model counts
  const before = tools[at] ?? { name: '', arguments: '' };
  tools[at] = { name: before.name + name, arguments: before.arguments + more };
  return { ...growth, tools };
}

/** What comes where an answer goes on, as part of the whole: its tools and sources count from where the answer was. */
export function following(before: Growth, came: Progress): Progress {
  if ('tool' in came) return { tool: { ...came.tool, index: came.tool.index + (before.tools?.length ?? 0) } };
  if (!('sources' in came)) return came;
  const letters = [...before.content].length;
  return { sources: came.sources.map((source) => ({ ...source, at: source.at === null ? null : source.at + letters })) };
}

/** The messages that are shown, first to last. */
export function branch(conversation: Conversation): Message[] {
  const known = new Map(conversation.messages.map((message) => [message.id, message]));
  const shown: Message[] = [];
  for (let at = known.get(conversation.leaf ?? ''); at; at = known.get(at.parent ?? '')) shown.push(at);
  return shown.reverse();
}

export function summary({ id, title, at, named, pinned }: Conversation): Summary {
  return { id, title, at, named, pinned };
}

/** The list's order: the last changed first. */
export function byAge(one: Summary, other: Summary): number {
  return other.at - one.at;
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

/** Of a conversation, one answer and what it answers; to be merged with the rest. */
export function turnOf(conversation: Conversation, answer: string): Conversation {
  const { parent } = conversation.messages.find(({ id }) => id === answer) ?? {};
  return { ...conversation, messages: conversation.messages.filter(({ id }) => id === answer || id === parent) };
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

function wire({ role, content, attachments }: Message): Wire {
  if (!attachments?.length) return { role, content };
  const parts = attachments.map(({ kind, name, data }): Part => {
    if (kind === 'image') return { type: 'image_url', image_url: { url: data } };
    return { type: 'text', text: `${name}:\n\n${data}` };
  });
  return { role, content: content ? [...parts, { type: 'text', text: content }] : parts };
}

function newestBelow(conversation: Conversation, id: string): string {
  const below = conversation.messages.filter((message) => message.parent === id).at(-1);
  return below ? newestBelow(conversation, below.id) : id;
}

function added(conversation: Conversation, more: Message[], at: number): Conversation {
  return { ...conversation, at, messages: [...conversation.messages, ...more], leaf: more.at(-1)!.id };
}

function change(conversation: Conversation, id: string, changed: Partial<Message>): Conversation {
  const messages = conversation.messages.map((message) => (message.id === id ? { ...message, ...changed } : message));
  return { ...conversation, messages };
}

function blank(id: string, parent: string | null, role: Message['role'], at: number): Message {
  return { id, parent, role, content: '', at, state: 'sending', finish: null, usage: null, failure: null };
}
