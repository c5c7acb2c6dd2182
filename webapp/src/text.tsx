/** Text of an answer: with what its character references stand for, and growing in place. */
import { Component } from 'preact';
import { findDOMNode } from 'preact/compat';
import { known } from './known';
import { lazily } from './lazily';

const useAllNames = lazily(() => import('character-entities'));

/** What Markdown leaves to HTML in a text: `&copy;` and `&#169;`. A name that does not exist stays as it is. */
export function Unescaped({ text }: { text: string }) {
  const once = unescaped(text);
  return /&[a-z]/i.test(once) ? <Named text={text} /> : <Text text={once} />;
}

function Named({ text }: { text: string }) {
  const names = useAllNames(true)?.characterEntities;
  return <Text text={unescaped(text, names)} />;
}

/** The ones that models write; the others are loaded when one comes. */
const ENTITIES: Record<string, string> = {
  ...{ amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0', copy: '©', reg: '®', trade: '™', deg: '°', euro: '€' },
  ...{ hellip: '…', mdash: '—', ndash: '–', laquo: '«', raquo: '»', times: '×', middot: '·', rarr: '→', larr: '←', le: '≤', ge: '≥' },
};

/** Exported for its test. */
export function unescaped(text: string, names: Record<string, string> = ENTITIES): string {
  return text.replace(/&(?:#(\d{1,7})|#x([\da-f]{1,6})|([a-z][a-z\d]*));/gi, (written, decimal, hex, name) => {
    if (name) return known(names, name) ?? written;
    const code = decimal ? Number(decimal) : Number.parseInt(hex, 16);
    const isCharacter = code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
    return isCharacter ? String.fromCodePoint(code) : '\ufffd'; // as HTML says
  });
}

/** Text that grows in place: what is selected in it stays selected. */
export class Text extends Component<{ text: string }> {
  private node!: CharacterData;

  override componentDidMount(): void {
    this.node = findDOMNode(this as Component) as unknown as CharacterData;
  }

  /** Writes the difference by itself: Preact would set the text anew, and a selection in it would be gone. */
  override shouldComponentUpdate({ text }: { text: string }): boolean {
    const { node } = this;
    const kept = common(node.data, text);
    if (kept < node.length) node.deleteData(kept, node.length - kept);
    if (kept < text.length) node.appendData(text.slice(kept));
    return false;
  }

  override render({ text }: { text: string }) {
    return text;
  }
}

/** How much of two texts is the same at their beginning. */
function common(one: string, other: string): number {
  if (other.startsWith(one)) return one.length;
  let at = 0;
  while (at < one.length && one[at] === other[at]) at++;
  return at;
}
