/** Formulas: how they stand in Markdown, and how they are drawn, by a library that is loaded when the first one comes. */

import type { MarkedExtension, TokenizerThis, Tokens } from 'marked';
import { useEffect, useRef, useState } from 'preact/hooks';
import { texts } from './texts';

/** `$$…$$` and `\[…\]` on lines of their own or among text, `\(…\)` among text. A single `$` is a price. */
export const formulas: MarkedExtension = {
  extensions: [
    rule('formulaBlock', 'block', /^(?:\$\$([^$]+?)\$\$|\\\[([\s\S]+?)\\\])[ \t]*(?:\n+|$)/, true),
    rule('formula', 'inline', /^\\\(([\s\S]+?)\\\)/, false),
    rule('formulaDisplayed', 'inline', /^(?:\$\$([^$]+?)\$\$|\\\[([\s\S]+?)\\\])/, true),
  ],
};

function rule(name: string, level: 'block' | 'inline', form: RegExp, display: boolean) {
  return {
    name,
    level,
    // Where the lexer should look: a block begins a line, or it would cut a paragraph in two.
    start: (text: string) => (level === 'block' ? /(?<=\n)(?:\$\$|\\\[)/ : /\$\$|\\[[(]/).exec(text)?.index,
    tokenizer(this: TokenizerThis, text: string): Tokens.Generic | undefined {
      const found = form.exec(text);
      return found ? { type: 'formula', raw: found[0], text: (found[1] ?? found[2])!.trim(), display } : undefined;
    },
  };
}

/** As MathML, which screen readers read; until it is there, and where it is none, as it was written. */
export function Formula({ raw, text, display }: { raw: string; text: string; display: boolean }) {
  const box = useRef<HTMLSpanElement>(null);
  const [drawn, setDrawn] = useState(false);
  useEffect(() => {
    void import('temml').then(({ default: temml }) => {
      try {
        temml.render(text, box.current!, { displayMode: display, throwOnError: true });
        setDrawn(true);
      } catch {
        box.current?.replaceChildren();
      }
    });
  }, []);
  const inner = (
    <>
      {!drawn && raw.trim()}
      <span ref={box} />
    </>
  );
  if (!display)
    return (
      <span class="formula" dir="ltr">
        {inner}
      </span>
    );
  return (
    <span class="formula display" dir="ltr" role="group" aria-label={texts.conversation.formula} tabIndex={0}>
      {inner}
    </span>
  );
}
