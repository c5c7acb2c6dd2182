import { expect, test } from 'vitest';
import { MOST, take } from '../src/attach';
import type { Config } from '../src/config';

const config = (bytes: number, images = true) => ({ images, limits: { bytes } }) as Config;
const text = (name: string, content = 'x', type = 'text/plain') => new File([content], name, { type });

test.each([
  ['a text', text('a.txt'), null],
  ['a text of no type', text('a.bicep', 'param x string', ''), null],
  ['a drawing, which is a text', text('a.svg', '<svg/>', 'image/svg+xml'), null],
  ['bytes', new File([new Uint8Array([0xff, 0xfe])], 'a.zip'), 'a.zip cannot be attached: it is neither an image nor plain text.'],
  ['a text with a NUL', text('a.bin', 'a\0b'), 'a.bin cannot be attached: it is neither an image nor plain text.'],
  ['a long text', text('a.log', 'x'.repeat(500_001)), 'a.log cannot be attached: it is larger than 500 kB.'],
  ['an image that no model gets', text('a.png', '', 'image/png'), 'a.png cannot be attached: the model takes no images.'],
  ['what has no name', new File(['\0'], ''), 'The pasted file cannot be attached: it is neither an image nor plain text.'],
])('%s', async (_, file, refused) => {
  const taken = await take([file], [], config(1000_000, false));
  expect(taken.refused).toEqual(refused ? [refused] : []);
  expect(taken.attachments.map(({ name }) => name)).toEqual(refused ? [] : [file.name]);
});

test('those that are there already count, in number and in size', async () => {
  const already = Array.from({ length: MOST - 2 }, (_, index) => ({ kind: 'text' as const, name: `${index}`, data: 'x' }));
  const taken = await take([text('big', 'x'.repeat(1_000_000)), text('a'), text('b'), text('c')], already, config(1_000_000));
  expect(taken.attachments.map(({ name }) => name)).toEqual(['a', 'b']);
  expect(taken.refused).toEqual([
    'big cannot be attached: it is larger than 500 kB.',
    'c cannot be attached: a message has at most 10 files.',
  ]);
  const full = await take([text('d', 'x'.repeat(400_000)), text('e')], already.slice(1), config(400_007));
  expect(full.attachments.map(({ name }) => name)).toEqual(['d']);
  expect(full.refused).toEqual(['e cannot be attached: the files of a message may have 0.400007 MB together.']);
});
