/** What answers have beyond GitHub's Markdown tables and lists: notes, things to unfold, a few elements of HTML. Tokens only; nothing is drawn. */

import type { MarkedExtension, Token, TokenizerThis, Tokens } from 'marked';

/** `[^1]` with its `[^1]: …`, and `<details>`, whose inside is Markdown. */
export const extensions: MarkedExtension = {
  extensions: [
    {
      name: 'footnote',
      level: 'block',
      start: (text) => /(?<=\n)\[\^[^\]\s]+\]:/.exec(text)?.index,
      tokenizer(text) {
        const [raw, name, said] = NOTE.exec(text) ?? [];
        if (!raw || !said) return;
        // Known as links are: wherever it stands, every block learns of it.
        this.lexer.tokens.links[`^${name}`] = { href: '', title: undefined };
        return { type: 'footnote', raw, name, tokens: this.lexer.blockTokens(said.replace(/\n(?: {4}|\t| {2})/g, '\n'), []) };
      },
    },
    {
      name: 'noted',
      level: 'inline',
      tokenizer(text) {
        const [raw, name] = /^\[(\^[^\]\s]+)\]/.exec(text) ?? [];
        return raw && this.lexer.tokens.links[name!] ? { type: 'noted', raw, name: name!.slice(1) } : undefined;
      },
    },
    { name: 'details', level: 'block', start: (text) => /(?<=\n)<details/i.exec(text)?.index, tokenizer: details },
  ],
};

/** Its own lines, and what is indented after an empty one. */
const NOTE = /^\[\^([^\]\s]+)\]:[ \t]*([^\n]*(?:\n(?!\[\^|[ \t]*(?:\n|$))[^\n]+|\n\n+(?: {2,4}|\t)[^\n]+)*)(?:\n+|$)/;

/** As far as it has come; an end within a block of code is none. */
function details(this: TokenizerThis, text: string): Tokens.Generic | undefined {
  const [begin, open] = /^<details( open)?>/i.exec(text) ?? [];
  if (!begin) return;
  let [depth, end, after] = [0, text.length, text.length];
  for (const { 0: found, index } of text.matchAll(/^```[\s\S]*?(?:^```|$(?![\s\S]))|<details\b|<\/details>/gim)) {
    if (found.startsWith('`')) continue;
    depth += found.startsWith('</') ? -1 : 1;
    if (depth > 0) continue;
    [end, after] = [index, index + found.length];
    break;
  }
  const raw = text.slice(0, after) + /^\s*/.exec(text.slice(after))![0];
  const [before = '', summary = ''] = /^\s*<summary>([\s\S]*?)(?:<\/summary>|$)/i.exec(text.slice(begin.length, end)) ?? [];
  const tokens = this.lexer.blockTokens(text.slice(begin.length + before.length, end), []);
  return { type: 'details', raw, open: Boolean(open), summary: this.lexer.inline(summary.trim()), tokens };
}

/** Elements that are drawn as such, without any attribute. */
const ELEMENT = /^<(\/?)(sub|sup|kbd|b|strong|i|em|u|s|del|ins|mark|small)>$/i;

interface Begun {
  begin: Token | undefined;
  name: string;
  tokens: Token[];
}

/** The tokens, with those between `<sub>` and `</sub>` in a token of their own; what has no end stays as it is written. */
export function nested(tokens: Token[]): Token[] {
  if (!tokens.some(({ type }) => type === 'html')) return tokens;
  const open: Begun[] = [{ begin: undefined, name: '', tokens: [] }];
  const put = (...more: Token[]) => open.at(-1)!.tokens.push(...more);
  const leave = () => {
    const { begin, tokens: within } = open.pop()!;
    put(begin!, ...within);
  };
  for (const token of tokens) {
    const [, end, written] = (token.type === 'html' && ELEMENT.exec(token.raw)) || [];
    const name = written?.toLowerCase();
    if (!name) put(token);
    else if (!end) open.push({ begin: token, name, tokens: [] });
    else if (!open.some((each) => each.name === name)) put(token);
    else {
      while (open.at(-1)!.name !== name) leave();
      const { tokens: within } = open.pop()!;
      put({ type: 'element', raw: '', name, tokens: within });
    }
  }
  while (open.length > 1) leave();
  return open[0]!.tokens;
}
