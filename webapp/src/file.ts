/** A conversation as a file: as text in the original app's form, as Markdown, or as JSON that can be read again. */
import { cited } from './citations';
import { type Attachment, branch, type Conversation, type Message, STATES, settled, titleOf } from './conversation';
import { texts } from './texts';

export type Format = 'txt' | 'md' | 'json';

const TYPES: Record<Format, string> = { txt: 'text/plain', md: 'text/markdown', json: 'application/json' };

const FORMAT = 'chat-v1';

/** What the file says: the branch that is shown; the JSON has every version. */
export function exported(conversation: Conversation, format: Format): string {
  if (format === 'json') return JSON.stringify({ format: FORMAT, ...conversation }, null, 2);
  const messages = branch(conversation).filter(({ content, attachments }) => content || attachments?.length);
  if (format === 'txt') return messages.map((message) => `[${message.role}]:\n${plain(message)}\n\n`).join('');
  const said = messages.map(
    (message) => `## ${message.role === 'user' ? texts.exports.you : texts.exports.assistant}\n\n${marked(message)}\n`,
  );
  return [`# ${conversation.title}\n`, ...said].join('\n');
}

/** As text: a text file whole, an image by its name. */
function plain({ content, attachments = [] }: Message): string {
  const files = attachments.map(({ kind, name, data }) => (kind === 'image' ? texts.conversation.attached(name) : `${name}:\n\n${data}\n`));
  return [...files, content].filter(Boolean).join('\n');
}

/** As Markdown: an image as itself, a text file as code; and the sources that the numbers in an answer stand for. */
function marked({ content, attachments = [], sources = [] }: Message): string {
  const { text, sources: once } = cited(content, sources);
  const list = once.map(({ title, url }, index) => `${index + 1}. ${/^https?:/i.test(url) ? `[${inLink(title)}](<${url}>)` : title}`);
  const numbered = once.length ? text.replace(/\[doc(\d{1,3})\]/g, '[$1]') : text;
  return [...attachments.map(fileInMarkdown), numbered, list.join('\n')].filter(Boolean).join('\n\n');
}

function fileInMarkdown({ kind, name, data }: Attachment): string {
  if (kind === 'image') return `![${inLink(name)}](${data})`;
  const longest = Math.max(2, ...(data.match(/`+/g) ?? []).map(({ length }) => length));
  const fence = '`'.repeat(longest + 1);
  return `${name}:\n\n${fence}\n${data}\n${fence}`;
}

function inLink(text: string): string {
  return text.replace(/[\\[\]]/g, '\\$&');
}

/** Have the browser save it as Chat.txt, Chat.md or Chat.json. */
export function download(conversation: Conversation, format: Format): void {
  const url = URL.createObjectURL(new Blob([exported(conversation, format)], { type: `${TYPES[format]};charset=utf-8` }));
  const link = document.createElement('a');
  link.href = url;
  link.download = `Chat.${format}`;
  link.click();
  URL.revokeObjectURL(url);
}

/** The conversation of a JSON file, under a new id, so that it can never take the place of one that is there. Throws an Error that says why not. */
export function imported(text: string, id: string): Conversation {
  let found: any;
  try {
    found = JSON.parse(text);
  } catch {
    throw new Error(texts.chats.notJson);
  }
  if (found?.format !== FORMAT || typeof found.title !== 'string' || !Number.isFinite(found.at) || !Array.isArray(found.messages)) {
    throw new Error(texts.chats.notAChat);
  }
  const known = new Set<unknown>([null]);
  for (const message of found.messages) {
    if (!isMessage(message) || known.has(message.id) || !known.has(message.parent)) throw new Error(texts.chats.notAChat);
    known.add(message.id);
  }
  if (!known.has(found.leaf)) throw new Error(texts.chats.notAChat);
  const { at, messages, leaf } = found;
  const title = found.title.trim() || titleOf(messages[0]?.content || (messages[0]?.attachments?.[0]?.name ?? '')) || texts.chats.new;
  return settled({ id, title, at, messages, leaf });
}

function isMessage(value: any): value is Message {
  const { id, role, content, at, state, finish, usage, failure } = value ?? {};
  return (
    [id, content].every((each) => typeof each === 'string') &&
    (role === 'user' || role === 'assistant') &&
    Number.isFinite(at) &&
    STATES.includes(state) &&
    (finish === null || typeof finish === 'string') &&
    (usage === null || [usage?.prompt_tokens, usage?.completion_tokens, usage?.total_tokens].every(Number.isFinite)) &&
    (failure === null || isFailure(failure)) &&
    isGrowth(value)
  );
}

/** What only some messages have. */
function isGrowth({ reasoning, tools, sources, attachments, request, rating }: any): boolean {
  const isText = (each: unknown) => typeof each === 'string';
  const all = (list: any, fits: (each: any) => boolean) =>
    list === undefined || (Array.isArray(list) && list.every((each) => each && fits(each)));
  const isImage = (data: string) => /^data:image\/[\w.+-]+;base64,/.test(data);
  return (
    [reasoning, request].every((each) => each === undefined || isText(each)) &&
    [undefined, 'up', 'down'].includes(rating) &&
    all(tools, ({ name, arguments: written }) => isText(name) && isText(written)) &&
    all(sources, ({ title, url, quote, at }) => [title, url, quote].every(isText) && (at === null || Number.isInteger(at))) &&
    all(attachments, ({ kind, name, data }) => isText(name) && isText(data) && (kind === 'text' || (kind === 'image' && isImage(data))))
  );
}

function isFailure({ code, requestId, retryAt, filtered }: any): boolean {
  const pair = (each: any) => Array.isArray(each) && each.length === 2 && each.every((part) => typeof part === 'string');
  return (
    typeof code === 'string' &&
    typeof requestId === 'string' &&
    (retryAt === null || Number.isFinite(retryAt)) &&
    Array.isArray(filtered) &&
    filtered.every(pair)
  );
}
