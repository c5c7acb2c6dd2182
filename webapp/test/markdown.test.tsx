import { characterEntities } from 'character-entities';
import { renderToString } from 'preact-render-to-string';
import { expect, test } from 'vitest';
import { grown, Markdown, NOTHING } from '../src/markdown';
import { unescaped } from '../src/text';

const drawn = (text: string) => renderToString(<Markdown text={text} />);

test.each([
  ['# Title', '<h3>Title</h3>'],
  ['a **b** _c_ ~~d~~ `e`', '<p>a <strong>b</strong> <em>c</em> <del>d</del> <code>e</code></p>'],
  ['1. one\n2. two', '<ol dir="auto" start="1"><li>one</li><li>two</li></ol>'],
  ['> said', '<blockquote dir="auto"><p>said</p></blockquote>'],
  ['a  \nb', '<p>a<br/>b</p>'],
  ['[x](https://e.example/)', '<p><a href="https://e.example/" target="_blank" rel="noopener noreferrer nofollow">x</a></p>'],
])('%j', (text, html) => {
  expect(drawn(text)).toBe(html);
});

test.each([
  ['a script', '<script>alert(1)</script>'],
  ['a handler', '<img src=x onerror=alert(1)>'],
  ['a javascript link', '[x](javascript:alert(1))'],
  ['a data link', '[x](data:text/html,x)'],
  ['a link without a scheme', '[x](//e.example)'],
])('%s does nothing', (_, text) => {
  expect(drawn(text)).not.toMatch(/<script|<img|href/);
});

test('an image is a link and is never loaded', () => {
  expect(drawn('![pic](https://e.example/p.png)')).toMatch(/^<p><a href="https:\/\/e\.example\/p\.png"[^>]*>pic<\/a><\/p>$/);
});

test('code is text, whatever is in it', () => {
  expect(drawn('```klingon\n<b>\n```')).toContain('<code><span class="part">&lt;b></span></code>');
});

test.each([
  ['H<sub>2</sub>O, x<sup>2</sup>, <kbd>Ctrl</kbd>', '<p>H<sub>2</sub>O, x<sup>2</sup>, <kbd>Ctrl</kbd></p>'],
  ['<SUB>a **b**</SUB>', '<p><sub>a <strong>b</strong></sub></p>'],
  ['<sub>a <sup>b</sub>', '<p><sub>a &lt;sup>b</sub></p>'],
  ['a</sup> <sub>b', '<p>a&lt;/sup> &lt;sub>b</p>'],
  ['<sub onclick="alert(1)">a</sub>', '<p>&lt;sub onclick=&quot;alert(1)&quot;>a&lt;/sub></p>'],
])('a few elements of HTML: %j', (text, html) => {
  expect(drawn(text)).toBe(html);
});

test.each([
  [
    '<details>\n<summary>**More**</summary>\n\n- one\n\n</details>\n\nAfter',
    /^<details dir="auto"><summary><strong>More<\/strong><\/summary><ul.*<\/ul><\/details><p>After<\/p>$/,
  ],
  [
    'Before\n<details open>\n<summary>More</summary>\nwithin',
    /^<p>Before<\/p><details open dir="auto"><summary>More<\/summary><p>within<\/p><\/details>$/,
  ],
  ['<details>\n<details>\na\n</details>\nb\n</details>c', /^<details[^>]*><details.*a.*<\/details><p>b<\/p><\/details><p>c<\/p>$/],
  [
    '<details>\n\n```html\n</details>\n```\n\nb\n</details>\n',
    /^<details.*<code><span class="part">&lt;\/details><\/span><\/code>.*<p>b<\/p><\/details>$/,
  ],
])('what unfolds: %j', (text, html) => {
  expect(drawn(text)).toMatch(html);
});

test('a footnote and where it is noted', () => {
  const html = drawn('So[^1], not[^2].\n\n[^1]: It is\n    *so*.\n\nEnd');
  const [, id] = /<sup><a href="#([^"]+)" role="doc-noteref">1<\/a><\/sup>, not\[\^2\]\./.exec(html) ?? [];
  expect(html).toContain(
    `<div role="note" id="${id}" tabindex="-1" class="footnote"><sup>1</sup> <p>It is\n<em>so</em>.</p></div><p>End</p>`,
  );
});

test('headings of every depth are told apart', () => {
  const html = drawn([1, 2, 3, 4, 5, 6].map((depth) => `${'#'.repeat(depth)} t`).join('\n'));
  expect(html.match(/<h[^>]+>/g)).toEqual(['<h3>', '<h4>', '<h5>', '<h6>', '<h6 aria-level="7">', '<h6 aria-level="8">']);
});

test('a table can be scrolled and has its headings', () => {
  const html = drawn('| a | b |\n|---|---|\n| 1 | 2 |');
  expect(html).toContain('<th scope="col">a</th>');
  expect(html).toContain('role="region"');
});

test('half of anything is drawn as far as it goes', () => {
  const whole = '# T\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```python\nx = 1\n```\n\n- one\n- [two](https://e.example)\n';
  for (let end = 0; end <= whole.length; end++) expect(() => drawn(whole.slice(0, end))).not.toThrow();
});

test.each([
  [
    'so $$E = mc^2$$ holds',
    '<p>so <span dir="ltr" role="group" aria-label="Formula" tabindex="0" class="formula display">$$E = mc^2$$<span></span></span> holds</p>',
  ],
  ['so \\(a_1 * b_1\\) holds', '<p>so <span dir="ltr" class="formula">\\(a_1 * b_1\\)<span></span></span> holds</p>'],
  ['it costs $5 or $6', '<p>it costs $5 or $6</p>'],
  ['so $x_1$ holds', '<p>so <span dir="ltr" class="formula">$x_1$<span></span></span> holds</p>'],
  ['`$$x$$`', '<p><code>$$x$$</code></p>'],
])('formulas: %j', (text, html) => {
  expect(drawn(text)).toBe(html);
});

test.each(['a $x$.', '$E = mc^2$', '**$f(x)$**', '($n$)', '$2x + 1$', '$7$', '$\\$5 + x$', 'all $n$-tuples'])(
  'a formula in dollars: %j',
  (text) => {
    expect(drawn(text)).toContain('class="formula"');
  },
);

test.each([
  'from $5 to $6',
  'US$5/US$6',
  '$20,000 and $30,000',
  '$5 for Canadians, 7 in US$',
  'a $ x $ b',
  '$HOME/bin:$PATH',
  `$${'{a}'}$${'{b}'}`,
  '`$x$`',
  '\\$x$',
  '$x',
  '$a\n\nb$',
])('no formula in dollars: %j', (text) => {
  expect(drawn(text)).not.toContain('class="formula"');
});

test.each(['$$\na\n$$', '\\[\na\n\\]'])('a formula on lines of its own: %j', (text) => {
  expect(drawn(`before\n\n${text}\n\nafter`)).toMatch(
    /^<p>before<\/p><span [^>]*class="formula display">[^a]*a[^a]*<span><\/span><\/span><p>after<\/p>$/,
  );
});

test.each([
  [
    '- [x] did\n- [ ] do',
    '<ul dir="auto"><li><input type="checkbox" checked disabled aria-label="done"/>did</li><li><input type="checkbox" disabled aria-label="not done"/>do</li></ul>',
  ],
  [
    'see [the docs][1]\n\n[1]: https://e.example/',
    '<p>see <a href="https://e.example/" target="_blank" rel="noopener noreferrer nofollow">the docs</a></p>',
  ],
  ['a<br>b<br/>c', '<p>a<br/>b<br/>c</p>'],
  ['&copy; 5&nbsp;km &#8364; &#x20ac; &nowhere;', '<p>© 5\u00a0km € € &amp;nowhere;</p>'],
  ['&constructor; &toString; &#1114112;', '<p>&amp;constructor; &amp;toString; \ufffd</p>'],
])('as models write: %j', (text, html) => {
  expect(drawn(text)).toBe(html);
});

test('the columns of a table stand where they should', () => {
  expect(drawn('| a | b |\n|:-:|--:|\n| 1 | 2 |')).toMatch(/<th scope="col" class="to-center">.*<td class="to-right">2<\/td>/s);
});

test('a text that comes in pieces is read as the whole is, its references too', () => {
  const text = 'See [the docs][1].\n\n- one\n- two\n\n```js\nlet x\n```\n\n[1]: https://e.example/a/b\n\nEnd.';
  let pieced = NOTHING;
  for (let length = 1; length <= text.length; length++) pieced = grown(pieced, text.slice(0, length));
  const whole = grown(NOTHING, text);
  expect([pieced.raws.join(''), pieced.links]).toEqual([whole.raws.join(''), whole.links]);
  expect(pieced.links['1']?.href).toBe('https://e.example/a/b');
});

test('every name of HTML5 is known once its table is there', () => {
  expect(unescaped('&eacute; &CounterClockwiseContourIntegral; &constructor;', characterEntities)).toBe('é ∳ &constructor;');
});
