/** A block of code, highlighted where its language is known, with a button that copies it. */

import { memo } from 'preact/compat';
import { useContext, useMemo, useRef } from 'preact/hooks';
import type { Line, Run } from './highlight';
import { lazily } from './lazily';
import { useNear } from './near';
import { Copy } from './parts';
import { Say } from './say';
import { Text } from './text';
import { texts } from './texts';

const useHighlighter = lazily(() => import('./highlight'));

interface CodeProps {
  text: string;
  language: string | undefined;
  /** Whether it has its end. */
  closed: boolean;
}

export function Code({ text, language = '', closed }: CodeProps) {
  const box = useRef<HTMLElement>(null);
  const near = useNear(box);
  const highlighter = useHighlighter(near && language !== '');
  const highlight = useMemo(
    () => (near && highlighter?.isKnown(language) ? (code: string) => highlighter.lines(language, code) : plain),
    [near, highlighter, language],
  );
  const last = useRef<Highlighted>(NONE);
  last.current = highlighted(last.current.by === highlight ? last.current : { ...NONE, by: highlight }, text, closed);
  const say = useContext(Say);
  return (
    <figure class="code" ref={box}>
      <figcaption>
        <span>{language || texts.conversation.plain}</span>
        <Copy text={text} label={texts.conversation.copyCode} say={say} />
      </figcaption>
      <pre tabIndex={0} role="region" aria-label={texts.conversation.code}>
        <code>
          {parts(last.current.lines).map((lines, index) => (
            <Part key={index} lines={lines} />
          ))}
        </code>
      </pre>
    </figure>
  );
}

type Highlight = (text: string) => Line[];

const plain: Highlight = (text) => text.split('\n').map((line, at, { length }) => [{ text: at < length - 1 ? `${line}\n` : line }]);

export interface Highlighted {
  text: string;
  lines: Line[];
  /** How much of it was read in one go; what came since was read line by line, and may have got a wrong colour. */
  whole: number;
  by: Highlight;
}

export const NONE: Highlighted = { text: '', lines: [], whole: 0, by: plain };

/** Read in one go again only when it has grown by this much, so that all readings together are as long as five texts. */
const GROWTH = 1.25;

/** The lines of a code that has grown; exported for its test. */
export function highlighted(before: Highlighted, text: string, closed: boolean): Highlighted {
  const { by, whole } = before;
  if (!text.startsWith(before.text) || text.length > whole * GROWTH || (closed && whole < text.length))
    return { text, lines: by(text), whole: text.length, by };
  if (text === before.text) return before;
  const from = before.text.lastIndexOf('\n') + 1;
  const to = text.lastIndexOf('\n') + 1;
  const lines = before.lines.slice(0, -1);
  if (to > from) lines.push(...complete(by(text.slice(from, to))));
  return { text, lines: [...lines, [{ text: text.slice(Math.max(from, to)) }]], whole, by };
}

/** Without what stands after the last line break. */
function complete(lines: Line[]): Line[] {
  return lines.filter((line) => line.at(-1)?.text.endsWith('\n'));
}

const PART_LINES = 50;

/** Blocks of their own, so that a browser lays out only the last while it grows. */
function parts(lines: Line[]): Line[][] {
  return Array.from({ length: Math.ceil(lines.length / PART_LINES) }, (_, at) => lines.slice(at * PART_LINES, (at + 1) * PART_LINES));
}

const Part = memo(
  ({ lines }: { lines: Line[] }) => {
    const runs = lines.flat();
    const ends = runs.at(-1)?.text.endsWith('\n');
    return (
      <span class="part">
        {runs.map(({ text, class: kind }, index) => {
          const shown = ends && index === runs.length - 1 ? text.slice(0, -1) : text;
          return kind ? (
            <span key={index} class={kind}>
              {shown}
            </span>
          ) : (
            <Text key={index} text={shown} />
          );
        })}
        {ends && <span hidden>{'\n'}</span> /* the end of a block is one already, where it is selected and copied */}
      </span>
    );
  },
  ({ lines: before }, { lines: after }) =>
    before.length === after.length && before.every((runs, at) => runs === after[at] || isSame(runs, after[at]!)),
);

function isSame(some: Run[], others: Run[]): boolean {
  return (
    some.length === others.length && some.every(({ text, class: kind }, at) => text === others[at]!.text && kind === others[at]!.class)
  );
}
