/** Markdown as a tree of components: from tokens to vnodes, never through HTML, so that nothing in it can run. */

import { Lexer, Marked, type Token, type Tokens } from 'marked';
import type { ComponentChildren, VNode } from 'preact';
import { Fragment, h } from 'preact';
import { memo } from 'preact/compat';
import { useErrorBoundary, useMemo, useRef } from 'preact/hooks';
import { Citation, citations } from './citations';
import { Code } from './code';
import { Formula, formulas } from './formula';
import { texts } from './texts';

const marked = new Marked({ gfm: true }, formulas, { extensions: [citations] });

/** The text as Markdown; as it is, where it is nested deeper than can be drawn. */
export function Markdown({ text }: { text: string }) {
  const [failed] = useErrorBoundary();
  return failed ? <p class="said">{text}</p> : <Growing text={text} />;
}

/** Block by block; while the text grows, only its last blocks are read and drawn again. */
function Growing({ text }: { text: string }) {
  const last = useRef(NOTHING);
  last.current = grown(last.current, text.replace(/\r\n?/g, '\n')); // the lexer reads them so, and offsets must agree
  const { raws, links } = last.current;
  return (
    <>
      {raws.map((raw, index) => (
        <Block key={index} raw={raw} links={links} />
      ))}
    </>
  );
}

type Links = Record<string, Pick<Tokens.Link, 'href' | 'title'>>;

export const NOTHING: Blocks = { text: '', raws: [], settled: 0, links: {} };

interface Blocks {
  text: string;
  raws: string[];
  /** How many of them later text cannot change. */
  settled: number;
  /** What `[name]: address` says anywhere; the same object while it says no more. */
  links: Links;
}

/** The blocks of a text that has grown; exported for its test. */
export function grown(before: Blocks, text: string): Blocks {
  if (before.text === text) return before;
  const kept = text.startsWith(before.text) ? before.raws.slice(0, before.settled) : [];
  const from = kept.reduce((length, raw) => length + raw.length, 0);
  const tokens = marked.lexer(text.slice(from));
  const raws = [...kept, ...tokens.map((token) => token.raw)];
  const more = Object.entries(tokens.links).some(
    ([name, { href, title }]) => before.links[name]?.href !== href || before.links[name]?.title !== title,
  );
  const links = more ? { ...before.links, ...tokens.links } : before.links;
  return { text, raws, settled: Math.max(kept.length, raws.length - 2), links };
}

const Block = memo(function Block({ raw, links }: { raw: string; links: Links }) {
  const tokens = useMemo(() => read(raw, links), [raw, links]);
  return <>{many(tokens)}</>;
});

function read(raw: string, links: Links): Token[] {
  const lexer = new Lexer(marked.defaults);
  Object.assign(lexer.tokens.links, links);
  return lexer.lex(raw);
}

function many(tokens: Token[] | undefined): ComponentChildren {
  return tokens?.map((token, index) => <Fragment key={index}>{one(token as Tokens.Generic)}</Fragment>);
}

function one(token: Tokens.Generic): ComponentChildren {
  switch (token.type) {
    case 'heading':
      return h(`h${Math.min(6, token.depth + 2)}`, {}, many(token.tokens));
    case 'paragraph':
      return <p>{many(token.tokens)}</p>;
    case 'text':
      return token.tokens ? many(token.tokens) : unescaped(token.text);
    case 'escape':
      return unescaped(token.text);
    case 'strong':
      return <strong>{many(token.tokens)}</strong>;
    case 'em':
      return <em>{many(token.tokens)}</em>;
    case 'del':
      return <del>{many(token.tokens)}</del>;
    case 'codespan':
      return <code>{token.text}</code>;
    case 'br':
      return <br />;
    case 'hr':
      return <hr />;
    case 'code':
      return <Code text={token.text} language={(token.lang ?? '').split(/\s/)[0]} />;
    case 'formula':
      return <Formula key={token.raw} raw={token.raw} text={token.text} display={token.display} />;
    case 'citation':
      return <Citation number={token.number} raw={token.raw} />;
    case 'blockquote':
      return <blockquote>{many(token.tokens)}</blockquote>;
    case 'list':
      return list(token as Tokens.List);
    case 'table':
      return table(token as Tokens.Table);
    case 'link':
      return <Outside href={token.href}>{many(token.tokens)}</Outside>;
    case 'image': // never loaded: an image's address can carry text away
      return <Outside href={token.href}>{token.text || texts.conversation.image}</Outside>;
    case 'space':
    case 'def':
    case 'checkbox': // drawn with its item
      return null;
    case 'html':
      return /^<br\s*\/?>\s*$/i.test(token.raw) ? <br /> : token.raw;
    default:
      return token.raw;
  }
}

function list(token: Tokens.List): VNode {
  const items = token.items.map((item, index) => (
    <li key={index}>
      {item.task && (
        <input
          type="checkbox"
          checked={item.checked}
          disabled
          aria-label={item.checked ? texts.conversation.done : texts.conversation.notDone}
        />
      )}
      {many(item.tokens)}
    </li>
  ));
  return token.ordered ? <ol start={token.start === '' ? undefined : token.start}>{items}</ol> : <ul>{items}</ul>;
}

function table(token: Tokens.Table): VNode {
  const side = (index: number) => (token.align[index] ? `to-${token.align[index]}` : undefined);
  const cells = (row: Tokens.TableCell[]) =>
    row.map((cell, index) => (
      <td key={index} class={side(index)}>
        {many(cell.tokens)}
      </td>
    ));
  return (
    <div class="table" role="region" aria-label={texts.conversation.table} tabIndex={0}>
      <table>
        <thead>
          <tr>
            {token.header.map((cell, index) => (
              <th key={index} scope="col" class={side(index)}>
                {many(cell.tokens)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {token.rows.map((row, index) => (
            <tr key={index}>{cells(row)}</tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Outside({ href, children }: { href: string; children: ComponentChildren }) {
  if (!/^(https?:|mailto:)/i.test(href)) return <>{children}</>;
  return (
    <a href={href} target="_blank" rel="noopener noreferrer nofollow">
      {children}
    </a>
  );
}

/** The ones that models write; a name that is not here stays as it is. */
const ENTITIES: Record<string, string> = {
  ...{ amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0', copy: '©', reg: '®', trade: '™', deg: '°', euro: '€' },
  ...{ hellip: '…', mdash: '—', ndash: '–', laquo: '«', raquo: '»', times: '×', middot: '·', rarr: '→', larr: '←', le: '≤', ge: '≥' },
};

function unescaped(text: string): string {
  return text.replace(/&(?:#(\d{1,6})|(\w+));/g, (written, code, name) =>
    code ? String.fromCodePoint(Number(code)) : (ENTITIES[name] ?? written),
  );
}
