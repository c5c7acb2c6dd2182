/** Markdown as a tree of components: from tokens to vnodes, never through HTML, so that nothing in it can run. */

import { Lexer, Marked, type Token, type Tokens } from 'marked';
import type { ComponentChildren, VNode } from 'preact';
import { createContext, Fragment, h } from 'preact';
import { memo } from 'preact/compat';
import { useContext, useErrorBoundary, useId, useMemo, useRef } from 'preact/hooks';
import { Citation, citations } from './citations';
import { Code } from './code';
import { Diagram } from './diagram';
import { extensions, nested } from './extensions';
import { Formula, formulas } from './formula';
import { useListener } from './listen';
import { Text, Unescaped } from './text';
import { texts } from './texts';

const marked = new Marked({ gfm: true }, formulas, extensions, { extensions: [citations] });

/** The text as Markdown; as it is, where it is nested deeper than can be drawn. */
export function Markdown({ text }: { text: string }) {
  const [failed] = useErrorBoundary();
  return failed ? <AsWritten text={text} /> : <Growing text={text} />;
}

function AsWritten({ text }: { text: string }) {
  return <p class="as-written">{text}</p>;
}

/** Block by block; while the text grows, only its last blocks are read and drawn again. */
function Growing({ text }: { text: string }) {
  const last = useRef(NOTHING);
  last.current = grown(last.current, text.replace(/\r\n?/g, '\n')); // the lexer reads them so, and offsets must agree
  const { raws, links } = last.current;
  return (
    <Notes.Provider value={useId()}>
      {raws.map((raw, index) => (
        <Block key={index} raw={raw} links={links} />
      ))}
    </Notes.Provider>
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
  const { raws: rest, links: found } = split(text.slice(from));
  const raws = [...kept, ...rest];
  const more = Object.entries(found).some(
    ([name, { href, title }]) => before.links[name]?.href !== href || before.links[name]?.title !== title,
  );
  const links = more ? { ...before.links, ...found } : before.links;
  return { text, raws, settled: Math.max(kept.length, raws.length - 2), links };
}

/** Its blocks, their insides unread; its paragraphs, where one is nested deeper than can be read. */
function split(text: string): { raws: string[]; links: Links } {
  const lexer = new Lexer(marked.defaults);
  try {
    const raws = lexer.blockTokens(text).map(({ raw }) => raw);
    return { raws, links: lexer.tokens.links };
  } catch {
    return { raws: text.split(/(?<=\n\n)(?!\n)/), links: {} };
  }
}

interface BlockProps {
  raw: string;
  links: Links;
}

/** One that cannot be drawn is shown as it was written, and takes no other away. */
const Block = memo(function Block(props: BlockProps) {
  const [failed] = useErrorBoundary();
  return failed ? <AsWritten text={props.raw} /> : <Drawn {...props} />;
});

function Drawn({ raw, links }: BlockProps) {
  const tokens = useMemo(() => read(raw, links), [raw, links]);
  return <>{many(tokens)}</>;
}

function read(raw: string, links: Links): Token[] {
  const lexer = new Lexer(marked.defaults);
  Object.assign(lexer.tokens.links, links);
  return lexer.lex(raw);
}

function many(tokens: Token[] | undefined): ComponentChildren {
  return tokens && nested(tokens).map((token, index) => <Fragment key={index}>{one(token as Tokens.Generic)}</Fragment>);
}

function one(token: Tokens.Generic): ComponentChildren {
  switch (token.type) {
    case 'heading':
      return heading(token.depth + 2, many(token.tokens)); // below the conversation's own
    case 'paragraph':
      return <p>{many(token.tokens)}</p>;
    case 'text':
      return token.tokens ? many(token.tokens) : <Unescaped text={token.text} />;
    case 'escape':
      return <Unescaped text={token.text} />;
    case 'strong':
      return <strong>{many(token.tokens)}</strong>;
    case 'em':
      return <em>{many(token.tokens)}</em>;
    case 'del':
      return <del>{many(token.tokens)}</del>;
    case 'codespan':
      return (
        <code>
          <Text text={token.text} />
        </code>
      );
    case 'br':
      return <br />;
    case 'hr':
      return <hr />;
    case 'code':
      return code(token as Tokens.Code);
    case 'formula':
      return <Formula key={token.raw} raw={token.raw} text={token.text} display={token.display} />;
    case 'citation':
      return <Citation number={token.number} raw={token.raw} />;
    case 'blockquote':
      return <blockquote dir="auto">{many(token.tokens)}</blockquote>;
    case 'element':
      return h(token.name, {}, many(token.tokens));
    case 'details':
      return <Details open={token.open} summary={token.summary.length > 0 && many(token.summary)} inner={many(token.tokens)} />;
    case 'noted':
      return <Noted name={token.name} />;
    case 'footnote':
      return <Footnote name={token.name}>{many(token.tokens)}</Footnote>;
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
      return /^<br\s*\/?>\s*$/i.test(token.raw) ? <br /> : <Text text={token.raw} />;
    default:
      return <Text text={token.raw} />;
  }
}

const FENCE = /\n {0,3}(?:`{3,}|~{3,})\s*$/;

function code({ text, lang, raw }: Tokens.Code): VNode {
  const language = lang?.split(/\s/)[0];
  const closed = FENCE.test(raw);
  const block = <Code text={text} language={language} closed={closed} />;
  return language === 'mermaid' && closed ? <Diagram text={text}>{block}</Diagram> : block;
}

/** HTML ends at six, accessibility does not. */
function heading(level: number, children: ComponentChildren): VNode {
  return level > 6 ? <h6 aria-level={level}>{children}</h6> : h(`h${level}`, {}, children);
}

function Details({ open, summary, inner }: { open: boolean; summary: ComponentChildren; inner: ComponentChildren }) {
  const box = useRef<HTMLDetailsElement>(null);
  const folded = useRef(false);
  useListener(globalThis, 'beforeprint', () => {
    folded.current = !box.current!.open;
    box.current!.open = true; // paper cannot be unfolded
  });
  useListener(globalThis, 'afterprint', () => {
    if (folded.current) box.current!.open = false;
  });
  return (
    <details ref={box} open={open} dir="auto">
      {summary && <summary>{summary}</summary>}
      {inner}
    </details>
  );
}

/** What the ids of an answer's footnotes begin with. */
const Notes = createContext('');

function Noted({ name }: { name: string }) {
  const id = `${useContext(Notes)}-${name}`;
  const go = (event: Event) => {
    event.preventDefault(); // the address stays that of the chat
    const note = document.getElementById(id);
    note?.closest('details')?.setAttribute('open', '');
    note?.focus();
  };
  return (
    <sup>
      <a href={`#${id}`} role="doc-noteref" onClick={go}>
        {name}
      </a>
    </sup>
  );
}

function Footnote({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div class="footnote" role="note" id={`${useContext(Notes)}-${name}`} tabIndex={-1}>
      <sup>{name}</sup> {children}
    </div>
  );
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
  if (!token.ordered) return <ul dir="auto">{items}</ul>;
  return (
    <ol dir="auto" start={token.start === '' ? undefined : token.start}>
      {items}
    </ol>
  );
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
      <table dir="auto">
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
