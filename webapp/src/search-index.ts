/** What every chat says, in a form that is found quickly; of one user, in the memory of whoever searches. */
import type { Conversation } from './conversation';

export class SearchIndex {
  /** Small letters, by conversation. */
  readonly #texts = new Map<string, string>();

  put({ id, title, messages }: Conversation): void {
    const said = messages.flatMap(({ content, attachments = [] }) => [content, ...attachments.map(({ name }) => name)]);
    this.#texts.set(id, [title, ...said].join('\n').toLowerCase());
  }

  /** One, or all (null). */
  remove(id: string | null): void {
    if (id === null) this.#texts.clear();
    else this.#texts.delete(id);
  }

  /** The conversations that have each of the words somewhere. */
  find(words: string): string[] {
    const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
    return [...this.#texts].filter(([, text]) => wanted.every((word) => text.includes(word))).map(([id]) => id);
  }
}
