/** Formulas: how they stand in Markdown, and how they are drawn, by a library that is loaded when the first one comes. */

import type { MarkedExtension, TokenizerThis, Tokens } from 'marked';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { lazily } from './lazily';
import { texts } from './texts';

/** `$$…$$` and `\[…\]` on lines of their own or among text, `\(…\)` and `$…$` among text. */
export const formulas: MarkedExtension = {
  extensions: [
    rule('formulaBlock', 'block', /^(?:\$\$([^$]+?)\$\$|\\\[([\s\S]+?)\\\])[ \t]*(?:\n+|$)/, true),
    rule('formula', 'inline', /^\\\(([\s\S]+?)\\\)/, false),
    rule('formulaDisplayed', 'inline', /^(?:\$\$([^$]+?)\$\$|\\\[([\s\S]+?)\\\])/, true),
    // As GitHub has it: no space within the dollars, no letter, digit or brace right after them.
    rule('formulaInDollars', 'inline', /^\$(?![\s$])((?:\\.|[^$`\\\n])*(?:\\.|[^\s$`\\]))\$(?![\w${])/, false, isPrice),
  ],
};

/** Whether what stands between dollars begins with an amount and goes on in words, as in `$5 for Canadians, 7 in US$`. */
function isPrice(text: string): boolean {
  return /^\d\S*\s/.test(text) && !/[\\^_=+<>]/.test(text);
}

function rule(name: string, level: 'block' | 'inline', form: RegExp, display: boolean, isOther?: (text: string) => boolean) {
  return {
    name,
    level,
    start: (text: string) => STARTS[level].exec(text)?.index,
    tokenizer(this: TokenizerThis, text: string): Tokens.Generic | undefined {
      const found = form.exec(text);
      const inner = found && (found[1] ?? found[2])!.trim();
      return inner && !isOther?.(inner) ? { type: 'formula', raw: found[0], text: inner, display } : undefined;
    },
  };
}

/** Where the lexer should look: a block begins a line, or it would cut a paragraph in two; and no US$ begins a formula. At a backslash it looks anyway. */
const STARTS = { block: /(?<=\n)(?:\$\$|\\\[)/, inline: /\$\$|(?<![\w$])\$/ };

const useTemml = lazily(() => import('temml'));

/** One that is wider than this stands on a line of its own, which scrolls. */
const WIDE_EM = 24;

/** As MathML, which screen readers read; until it is there, and where it is none, as it was written. */
export function Formula({ raw, text, display }: { raw: string; text: string; display: boolean }) {
  const box = useRef<HTMLSpanElement>(null);
  const temml = useTemml(true)?.default;
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    if (!temml) return;
    try {
      temml.render(text, box.current!, { displayMode: display, throwOnError: true });
      setWidth(measured(box.current!));
    } catch {
      box.current!.replaceChildren();
    }
  }, [temml]);
  const alone = display || width > WIDE_EM;
  return (
    <span
      class={alone ? 'formula display' : 'formula'}
      dir="ltr"
      {...(alone && { role: 'group', 'aria-label': texts.conversation.formula, tabIndex: 0 })}
    >
      {!width && raw.trim()}
      <span ref={box} />
    </span>
  );
}

/** The width in its own letters; the style sheet is told, too: paper does not scroll, so that a wide one is drawn smaller there. */
function measured(box: HTMLElement): number {
  const math = box.firstElementChild as HTMLElement;
  math.style.width = 'max-content';
  const width = math.getBoundingClientRect().width / Number.parseFloat(getComputedStyle(math).fontSize);
  math.style.removeProperty('width');
  box.style.setProperty('--ems', String(width));
  return width || 1;
}
