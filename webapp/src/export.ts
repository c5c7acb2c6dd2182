/** A conversation as a file: as text in the original app's form, as Markdown, or as JSON that can be read again. */
import { branch, type Conversation } from './conversation';

export type Format = 'txt' | 'md' | 'json';

const TYPES: Record<Format, string> = { txt: 'text/plain', md: 'text/markdown', json: 'application/json' };

/** What the file says: the branch that is shown; the JSON has every version. */
export function exported(conversation: Conversation, format: Format): string {
  if (format === 'json') return JSON.stringify({ format: 'chat-v1', ...conversation }, null, 2);
  const messages = branch(conversation).filter(({ content }) => content);
  if (format === 'txt') return messages.map(({ role, content }) => `[${role}]:\n${content}\n\n`).join('');
  const said = messages.map(({ role, content }) => `## ${role === 'user' ? 'You' : 'Assistant'}\n\n${content}\n`);
  return [`# ${conversation.title}\n`, ...said].join('\n');
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
