import { describe, expect, test } from 'vitest';
import {
  type Action,
  branch,
  type Conversation,
  context,
  fresh,
  grown,
  isUnderWay,
  merged,
  reduce,
  settled,
  titleOf,
  versions,
} from '../src/conversation';

const LOST = { code: 'interrupted', requestId: '', retryAt: null, filtered: [] };

function played(...actions: Action[]): Conversation {
  return actions.reduce(reduce, fresh('c', 0));
}
const ask = (text: string, n: number, parent: string | null): Action => ({ type: 'ask', text, parent, ids: [`q${n}`, `a${n}`], at: n });
const answered = (n: number, content: string): Action[] => [
  { type: 'grow', id: `a${n}`, growth: { content } },
  { type: 'finish', id: `a${n}`, reason: 'stop' },
  { type: 'end', id: `a${n}`, state: 'done' },
];
const texts = (conversation: Conversation) => branch(conversation).map(({ content }) => content);

test('a question begins an answer and gives the chat its title', () => {
  const chat = played(ask('  What is\n  this? ', 1, null));
  expect(chat.title).toBe('What is this?');
  expect(branch(chat).map(({ role, state }) => [role, state])).toEqual([
    ['user', 'done'],
    ['assistant', 'sending'],
  ]);
});

test('a long title is cut, and not changed by the next question', () => {
  const chat = played(ask('x'.repeat(60), 1, null), ...answered(1, 'A'), ask('Next', 2, 'a1'));
  expect(chat.title).toBe('x'.repeat(48));
});

test('a chat that begins with files alone is called as the first of them', () => {
  const attachments = [{ kind: 'image' as const, name: 'box.png', data: 'data:image/png;base64,AA==' }];
  expect(played({ type: 'ask', text: '', attachments, parent: null, ids: ['q1', 'a1'], at: 1 }).title).toBe('box.png');
});

test('a tool that is counted far away leaves no holes', () => {
  const call = { name: 'find', arguments: '{}' };
  expect(grown({ content: '' }, { tool: { index: 1_000_000, ...call } }).tools).toEqual([call]);
});

test('an edited question is another version with a branch of its own', () => {
  const chat = played(ask('One', 1, null), ...answered(1, 'A'), ask('Two', 2, 'a1'), ...answered(2, 'B'), ask('Zwei', 3, 'a1'));
  expect(texts(chat)).toEqual(['One', 'A', 'Zwei', '']);
  expect(versions(chat, branch(chat)[2]!).map(({ content }) => content)).toEqual(['Two', 'Zwei']);
  expect(texts(reduce(chat, { type: 'show', id: 'q2' }))).toEqual(['One', 'A', 'Two', 'B']);
});

test('an answer made again is another version, and the newest below it is shown', () => {
  const again = played(ask('One', 1, null), ...answered(1, 'A'), { type: 'again', question: 'q1', id: 'b1', at: 2 });
  expect(versions(again, branch(again)[1]!).map(({ id }) => id)).toEqual(['a1', 'b1']);
  expect(branch(again).at(-1)!.id).toBe('b1');
  expect(branch(reduce(again, { type: 'show', id: 'a1' })).at(-1)!.id).toBe('a1');
});

describe('what the model is sent', () => {
  test('is the branch before the question, and the question', () => {
    const chat = played(ask('One', 1, null), ...answered(1, 'A'), ask('Two', 2, 'a1'));
    expect(context(chat, 'q2')).toEqual([
      { role: 'user', content: 'One' },
      { role: 'assistant', content: 'A' },
      { role: 'user', content: 'Two' },
    ]);
  });

  test.each([
    ['nothing came', { type: 'end', id: 'a1', state: 'failed', failure: LOST } as Action],
    ['the filter objected', { type: 'finish', id: 'a1', reason: 'content_filter' } as Action],
  ])('leaves out a turn where %s', (why, end) => {
    const begun = why === 'nothing came' ? [] : [{ type: 'grow', id: 'a1', growth: { content: 'half' } } as Action];
    const chat = played(ask('One', 1, null), ...begun, end, ask('Two', 2, 'a1'));
    expect(context(chat, 'q2')).toEqual([{ role: 'user', content: 'Two' }]);
  });

  test('keeps half an answer, so that the model can go on', () => {
    const half: Action[] = [
      { type: 'grow', id: 'a1', growth: { content: 'half' } },
      { type: 'end', id: 'a1', state: 'interrupted', failure: LOST },
    ];
    expect(context(played(ask('One', 1, null), ...half, ask('Continue', 2, 'a1')), 'q2')).toHaveLength(3);
  });
});

test.each([
  ['', 'failed'],
  ['half', 'interrupted'],
])('what was under way when the page went away (%j) is %s', (content, state) => {
  const grown: Action[] = content ? [{ type: 'grow', id: 'a1', growth: { content } }] : [];
  const chat = settled(played(ask('One', 1, null), ...grown));
  expect(branch(chat).at(-1)!.state).toBe(state);
  expect(isUnderWay(branch(chat).at(-1))).toBe(false);
});

test('usage and a new name are kept', () => {
  const usage = { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 };
  const chat = played(ask('One', 1, null), { type: 'usage', id: 'a1', usage }, { type: 'rename', title: 'Mine', at: 9 });
  expect([branch(chat).at(-1)!.usage, chat.title]).toEqual([usage, 'Mine']);
});

test('two tabs lose no turn of a conversation that both went on with, and the further copy of an answer counts', () => {
  const begun = reduce(fresh('c', 1), { type: 'ask', text: 'One', parent: null, ids: ['q', 'a'], at: 1 });
  const stale = reduce(begun, { type: 'grow', id: 'a', growth: { content: 'Ha' } });
  let theirs = reduce(stale, { type: 'ask', text: 'Two', parent: 'a', ids: ['q2', 'a2'], at: 5 });
  let mine = reduce(begun, { type: 'grow', id: 'a', growth: { content: 'Half of it, and the rest' } });
  mine = reduce(reduce(mine, { type: 'finish', id: 'a', reason: 'stop' }), { type: 'end', id: 'a', state: 'done' });
  theirs = reduce(reduce(theirs, { type: 'rename', title: 'First', at: 6 }), { type: 'rename', title: 'Named there', at: 7 });
  for (const both of [
    merged(theirs, mine),
    merged(mine, theirs),
    merged(reduce(mine, { type: 'rename', title: 'Before', at: 6 }), theirs),
  ]) {
    expect(both.title).toBe('Named there');
    expect(both.messages.map(({ id, content }) => [id, content])).toEqual([
      ['q', 'One'],
      ['a', 'Half of it, and the rest'],
      ['q2', 'Two'],
      ['a2', ''],
    ]);
    expect(both.at).toBe(5);
  }
});

test('a title is cut between letters', () => {
  expect(titleOf(`${'x'.repeat(47)}👩 and more`)).toBe(`${'x'.repeat(47)}👩`);
});
