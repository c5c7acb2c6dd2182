import { expect, test } from 'vitest';
import { type Highlighted, highlighted, NONE } from '../src/code';
import { isKnown, type Line, lines } from '../src/highlight';

const textOf = (all: Line[]) =>
  all
    .flat()
    .map(({ text }) => text)
    .join('');
const PIECE = 100;

/** A code that comes in pieces, with how often and how much was read. */
function pieced(code: string, language = 'python') {
  const work = { calls: 0, characters: 0, longest: 0 };
  const by = (text: string) => {
    work.calls++;
    work.characters += text.length;
    return lines(language, text);
  };
  let now: Highlighted = { ...NONE, by };
  for (let end = PIECE; end < code.length; end += PIECE) {
    const before = now;
    now = highlighted(now, code.slice(0, end), false);
    if (end % 5000 === 0) expect(textOf(now.lines)).toBe(code.slice(0, end));
    if (now.whole === before.whole && before.lines.slice(0, -1).some((line, at) => line !== now.lines[at])) throw new Error('drawn again');
  }
  return { work, end: highlighted(now, code, true) };
}

const statements = Array.from({ length: 1500 }, (_, at) => `def f${at}(x):\n    return "y" + str(${at})  # so\n`).join('\n');

test.each([
  ['many lines', statements],
  ['one line', statements.replaceAll('\n', ';')],
  ['a text in quotes over many lines', `"""\n${statements}"""\n`],
])(
  'a growing block is read as a whole a few times only, not at each piece: %s',
  (_, code) => {
    expect(code.length).toBeGreaterThan(60_000);
    const { work, end } = pieced(code);
    expect(work.characters).toBeLessThan(7 * code.length);
    expect(end.lines).toEqual(lines('python', code));
  },
  60_000,
);

test('a code of no known language is never lost a line of', () => {
  const code = 'a\n\nb\r\nc'.repeat(20);
  let now = NONE;
  for (let end = 1; end <= code.length; end++) {
    now = highlighted(now, code.slice(0, end), false);
    expect(textOf(now.lines)).toBe(code.slice(0, end));
  }
});

test('a text in quotes that began before is coloured right at the end', () => {
  const { end } = pieced(`x = """${'word\n'.repeat(20)}"""\n`);
  expect(new Set(end.lines.slice(1, 20).map(([run]) => run!.class))).toEqual(new Set(['hljs-string']));
});

test.each(
  'bash bicep c c# cpp csharp css diff docker dockerfile go html java javascript json kotlin php powershell ps1 python ruby rust sql swift tsx yaml'.split(
    ' ',
  ),
)('%s is a language', (language) => {
  expect(isKnown(language)).toBe(true);
});

test.each(['klingon', 'constructor', '__proto__', ''])('%j is none', (language) => {
  expect(isKnown(language)).toBe(false);
});

test('Bicep: words, texts with what is put in them, comments', () => {
  const code = `@description('Where')\nparam where string = 'a\${b}' // c\nresource plan 'Microsoft.Web/serverfarms@2024-04-01' = {}\n`;
  const kinds = lines('bicep', code).map((line) => line.filter((run) => run.class).map((run) => [run.class!.slice(5), run.text]));
  expect(kinds.slice(1, 3)).toEqual([
    [
      ['keyword', 'param'],
      ['built_in', 'string'],
      ['string', "'a"],
      ['subst', `\${b}`],
      ['string', "'"],
      ['comment', '// c'],
    ],
    [
      ['keyword', 'resource'],
      ['string', "'Microsoft.Web/serverfarms@2024-04-01'"],
    ],
  ]);
});
