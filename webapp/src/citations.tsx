/** Citations in an answer's text: numbers that open what they stand for. */
import type { TokenizerThis, Tokens } from 'marked';
import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { Source } from './completion';
import { texts } from './texts';

/** How a text names its sources. Source: Azure OpenAI On Your Data, whose answers write so themselves. */
const MARK = /^\[doc(\d{1,3})\]/;

/** `[doc1]`, for Markdown. */
export const citations = {
  name: 'citation',
  level: 'inline' as const,
  start: (text: string) => text.indexOf('[doc'),
  tokenizer(this: TokenizerThis, text: string): Tokens.Generic | undefined {
    const found = MARK.exec(text);
    return found ? { type: 'citation', raw: found[0], number: Number(found[1]) } : undefined;
  },
};

/** The answer's sources, by the numbers in its text. */
export interface Cited {
  text: string;
  sources: Source[];
}

/** The text with a number wherever a source belongs, each source once. */
export function cited(content: string, sources: Source[]): Cited {
  if (sources.every(({ at }) => at === null)) return { text: content, sources };
  const once: Source[] = [];
  const marks = sources.map((source) => {
    const known = once.findIndex(({ url, title }) => url === source.url && title === source.title);
    return { at: source.at ?? content.length, number: known < 0 ? once.push(source) : known + 1 };
  });
  const letters = [...content]; // offsets count letters, not halves of them
  for (const { at, number } of marks.sort((one, other) => other.at - one.at)) letters.splice(at, 0, `[doc${number}]`);
  return { text: letters.join(''), sources: once };
}

/** What a number opens: the panel's id, and the sources; null where there are none. */
export const Citable = createContext<{ panel: string; sources: Source[]; onChoose: (number: number) => void } | null>(null);

export function Citation({ number, raw }: { number: number; raw: string }) {
  const citable = useContext(Citable);
  const source = citable?.sources[number - 1];
  if (!citable || !source) return <>{raw}</>;
  const name = texts.conversation.source(number, source.title);
  return (
    <button
      type="button"
      class="citation"
      aria-label={name}
      title={source.title}
      popovertarget={citable.panel}
      onClick={() => citable.onChoose(number)}
    >
      {number}
    </button>
  );
}
