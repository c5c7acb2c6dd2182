/** Markdown as a tree of components: from tokens to vnodes, never through HTML, so that nothing in it can run. */
import type { ComponentChildren, VNode } from 'preact';
import { Fragment, h } from 'preact';
import { memo } from 'preact/compat';
import { useMemo, useRef } from 'preact/hooks';
import { Marked, type Token, type Tokens } from 'marked';
import { Code } from './code';
import { Formula, formulas } from './formula';
import { texts } from './texts';

const marked = new Marked({ gfm: true }, formulas);

/** The text, block by block; while it grows, only its last blocks are read and drawn again. */
export function Markdown({ text }: { text: string }) {
  const last = useRef<Blocks>({ text: '', raws: [], settled: 0 });
  last.current = grown(last.current, text.replace(/\r\n?/g, '\n')); // the lexer reads them so, and offsets must agree
  return (
    <>
      {last.current.raws.map((raw, index) => (
        <Block key={index} raw={raw} />
      ))}
    </>
  );
}

interface Blocks {
  text: string;
  raws: string[];
  /** How many of them later text cannot change. */
  settled: number;
}

function grown(before: Blocks, text: string): Blocks {
  if (before.text === text) return before;
  const kept = text.startsWith(before.text) ? before.raws.slice(0, before.settled) : [];
  const from = kept.reduce((length, raw) => length + raw.length, 0);
  const raws = [...kept, ...marked.lexer(text.slice(from)).map((token) => token.raw)];
  return { text, raws, settled: Math.max(kept.length, raws.length - 2) };
}

const Block = memo(function Block({ raw }: { raw: string }) {
  const tokens = useMemo(() => marked.lexer(raw), [raw]);
  return <>{many(tokens)}</>;
});

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
      return <Formula key={token.text} text={token.text} display={token.display} />;
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
      return null;
    default: // HTML among it, as the text it is
      return token.raw;
  }
}

function list(token: Tokens.List): VNode {
  const items = token.items.map((item, index) => (
    <li key={index}>
      {item.task && <input type="checkbox" checked={item.checked} disabled aria-label={item.checked ? texts.conversation.done : texts.conversation.notDone} />}
      {many(item.tokens)}
    </li>
  ));
  return token.ordered ? <ol start={token.start === '' ? undefined : token.start}>{items}</ol> : <ul>{items}</ul>;
}

function table(token: Tokens.Table): VNode {
  const cells = (row: Tokens.TableCell[]) => row.map((cell, index) => <td key={index}>{many(cell.tokens)}</td>);
  return (
    <div class="table" role="region" aria-label={texts.conversation.table} tabIndex={0}>
      <table>
        <thead>
          <tr>
            {token.header.map((cell, index) => (
              <th key={index} scope="col">
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

const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" };

function unescaped(text: string): string {
  return text.replace(/&(amp|lt|gt|quot|#39);/g, (_, name: string) => ENTITIES[name] ?? '');
}
