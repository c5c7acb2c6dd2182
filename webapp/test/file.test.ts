import { expect, test } from 'vitest';
import { branch, type Conversation, fresh, reduce } from '../src/conversation';
import { exported, imported } from '../src/file';

function chat(): Conversation {
  let made = reduce(fresh('c', 1), { type: 'ask', text: 'Grüße?', parent: null, ids: ['q', 'a'], at: 2 });
  made = reduce(made, { type: 'grow', id: 'a', growth: { content: 'Hello' } });
  made = reduce(made, { type: 'end', id: 'a', state: 'done' });
  return reduce(made, { type: 'again', question: 'q', id: 'a2', at: 3 });
}

test('what was exported as JSON comes back with every version, under another id, and nothing is under way', () => {
  const back = imported(exported(chat(), 'json'), 'new');
  expect(back.id).toBe('new');
  expect(back.messages.map(({ content, state }) => [content, state])).toEqual([
    ['Grüße?', 'done'],
    ['Hello', 'done'],
    ['', 'failed'],
  ]);
  expect(branch(back).map(({ id }) => id)).toEqual(['q', 'a2']);
});

test('the text has what is shown, as the original app wrote it', () => {
  expect(exported(reduce(chat(), { type: 'show', id: 'a' }), 'txt')).toBe('[user]:\nGrüße?\n\n[assistant]:\nHello\n\n');
});

const broken = (change: (chat: any) => void) => {
  const made = JSON.parse(exported(chat(), 'json'));
  change(made);
  return JSON.stringify(made);
};

test.each([
  ['no JSON', '{'],
  ['null', 'null'],
  ['another format', broken((made) => (made.format = 'other'))],
  ['a message without content', broken((made) => delete made.messages[1].content)],
  ['a role that may instruct', broken((made) => (made.messages[0].role = 'system'))],
  ['an unknown state', broken((made) => (made.messages[1].state = 'odd'))],
  ['a message before its parent', broken((made) => made.messages.reverse())],
  ['one id twice', broken((made) => (made.messages[2].id = 'a'))],
  [
    'a failure that says nothing',
    broken((made) => (made.messages[1].failure = { code: 'x', requestId: '', retryAt: null, filtered: [null] })),
  ],
  ['half a count of tokens', broken((made) => (made.messages[1].usage = { total_tokens: 3 }))],
  ['a leaf that is not there', broken((made) => (made.leaf = 'nowhere'))],
])('%s is no chat', (_, text) => {
  expect(() => imported(text, 'new')).toThrow(/^it is no/);
});

const FILES = [
  { kind: 'image' as const, name: 'a [box].png', data: 'data:image/png;base64,AA==' },
  { kind: 'text' as const, name: 'notes.md', data: 'See:\n```\ncode\n```' },
];

/** A question that is files alone, and an answer that names its sources. */
function withFiles(): Conversation {
  const asked = reduce(fresh('c', 1), { type: 'ask', text: '', attachments: FILES, parent: null, ids: ['q', 'a'], at: 2 });
  const sources = [{ title: 'House [rules]', url: 'https://example.com/(rules)', quote: 'Knock.', at: null }];
  return reduce(asked, { type: 'grow', id: 'a', growth: { content: 'Knock [doc1].', sources } });
}

test('files are in every export, and sources where numbers stand for them', () => {
  expect(exported(withFiles(), 'txt')).toBe(
    '[user]:\nAttached: a [box].png\nnotes.md:\n\nSee:\n```\ncode\n```\n\n\n[assistant]:\nKnock [doc1].\n\n',
  );
  expect(exported(withFiles(), 'md')).toBe(`# a [box].png

## You

![a \\[box\\].png](data:image/png;base64,AA==)

notes.md:

\`\`\`\`
See:
\`\`\`
code
\`\`\`
\`\`\`\`

## Assistant

Knock [1].

1. [House \\[rules\\]](<https://example.com/(rules)>)
`);
  const back = imported(exported(withFiles(), 'json'), 'new');
  expect(back.messages[0]!.attachments).toEqual(FILES);
  expect(back.title).toBe('a [box].png');
});
