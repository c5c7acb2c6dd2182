// @vitest-environment happy-dom
/** What the page does, counted: it must not grow with what is kept or with what stands above. */
import { options, render } from 'preact';
import { act } from 'preact/test-utils';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Progress } from '../src/completion';
import { type Conversation, fresh, reduce } from '../src/conversation';
import { Session } from '../src/session';
import type { Store } from '../src/store';

// A browser's, which Node 20 and the imitation of a document do not have.
Map.groupBy ??= <K, T>(all: Iterable<T>, keyOf: (each: T, index: number) => K) => {
  const groups = new Map<K, T[]>();
  let index = 0;
  for (const each of all) {
    const key = keyOf(each, index++);
    groups.set(key, [...(groups.get(key) ?? []), each]);
  }
  return groups;
};
vi.stubGlobal('fetch', () => Promise.reject(new Error('nothing is asked here')));
vi.stubGlobal('matchMedia', () => ({ matches: false, addEventListener() {}, removeEventListener() {} }));
const { Log } = await import('../src/log');
const { Composer } = await import('../src/composer');
const { History } = await import('../src/history');
const { SessionContext } = await import('../src/use-session');

const TURNS = 60;
const CHATS = 1000;

/** The components in the order in which they were drawn. */
const draws: string[] = [];
const drawsOf = (...names: string[]) => names.map((name) => draws.filter((each) => each === name).length);
const internal = options as { __r?: (vnode: { type: unknown }) => void };
const before = internal.__r;

beforeEach(() => {
  internal.__r = (vnode) => {
    before?.(vnode);
    draws.push((vnode.type as { name?: string }).name ?? '');
  };
});
afterEach(() => {
  internal.__r = before;
  render(null, document.body);
});

function long(answer: string): Conversation {
  let conversation = fresh('long', 1);
  for (let turn = 0; turn < TURNS; turn++) {
    const ids: [string, string] = [`q${turn}`, `a${turn}`];
    conversation = reduce(conversation, { type: 'ask', text: `Question ${turn}`, parent: conversation.leaf, ids, at: turn });
    conversation = reduce(conversation, { type: 'grow', id: `a${turn}`, growth: { content: `Answer **${turn}** ${answer}` } });
    conversation = reduce(conversation, { type: 'end', id: `a${turn}`, state: 'done' });
  }
  return conversation;
}

/** A session with chats, one of them long; what the model says and when a frame is drawn is up to the test. */
async function begun(answer = '') {
  const kept = Array.from({ length: CHATS }, (_, n) => ({ id: `kept${n}`, title: `Chat ${n}`, at: n }));
  const conversations = new Map([['long', long(answer)]]);
  const store: Store = {
    list: async () => kept,
    get: async (id) => conversations.get(id),
    save: async (conversation) => conversation,
    remove: async () => undefined,
    wipe: async () => undefined,
    stop: () => undefined,
    watch: () => () => undefined,
  };
  const model = { say: undefined as ((said: Progress | null) => void) | undefined };
  let frame: (() => void) | undefined;
  const session = new Session({
    async *complete() {
      for (;;) {
        const said = await new Promise<Progress | null>((say) => {
          model.say = say;
        });
        if (said === null) return;
        yield said;
      }
    },
    config: Promise.resolve({
      models: [],
      delivery: 'streamed',
      suggestions: [],
      follow_ups: [],
      images: false,
      limits: { bytes: 1_000 },
      system_prompt: false,
    }),
    openStore: async () => store,
    leave: () => undefined,
    address: { get: () => null, push: () => undefined, replace: () => undefined },
    tabs: { hold: () => () => undefined, isHeld: async () => false, free: async () => undefined },
    chosen: () => ({ model: '', systemPrompt: '' }),
    frame(run) {
      frame = run;
      return () => undefined;
    },
    now: Date.now,
    newId: () => crypto.randomUUID(),
  });
  await session.signedIn('alice');
  const nothing = () => undefined;
  const page = (
    <SessionContext.Provider value={session}>
      <History user="alice" field={{ current: null }} onChosen={nothing} onRemove={nothing} />
      <Log editing={null} onEdit={nothing} onAsk={() => true} onWritten={nothing} />
      <Composer online singleKeys={false} writing={{ current: null }} onAsk={() => true} onEditLast={nothing} />
    </SessionContext.Provider>
  );
  await act(() => render(page, document.body));
  draws.length = 0;
  const say = async (said: Progress | null) => {
    await vi.waitFor(() => expect(model.say).toBeDefined());
    const { say } = model;
    model.say = undefined;
    say!(said);
  };
  /** Something comes, and a frame later it is drawn. */
  const grow = async (text: string) => {
    await say({ text });
    await vi.waitFor(() => expect(frame).toBeDefined());
    frame!();
    frame = undefined;
    await drawn();
  };
  return { session, say, grow };
}

/** Preact draws in the next microtask. */
const drawn = () => Promise.resolve();
/** How many turns were drawn each time that the log was. */
function turnsByDraw(): number[] {
  const found: number[] = [];
  for (const name of draws) {
    if (name === 'Log') found.push(0);
    else if (name === 'Turn') found[found.length - 1]!++;
  }
  return found;
}

/** With the long chat open and drawn. */
async function opened() {
  const all = await begun();
  await all.session.choose('long');
  await vi.waitFor(() => expect(document.querySelectorAll('.turn')).toHaveLength(TURNS), { timeout: 20_000 });
  draws.length = 0;
  return all;
}

test('a long chat is there after a few turns, and whole soon after; none is drawn twice', async () => {
  const { session } = await begun();
  await session.choose('long');
  await vi.waitFor(() => expect(document.querySelectorAll('.turn')).toHaveLength(TURNS), { timeout: 20_000 });
  const drawn = turnsByDraw().filter((turns) => turns > 0);
  expect(Math.max(...drawn)).toBe(6);
  expect(drawn.reduce((sum, turns) => sum + turns)).toBe(TURNS);
});

test('long turns are drawn one by one', async () => {
  const { session } = await begun('word '.repeat(3000));
  await session.choose('long');
  await vi.waitFor(() => expect(turnsByDraw().filter((turns) => turns > 0).length).toBeGreaterThan(2));
  expect(Math.max(...turnsByDraw())).toBe(1);
});

test('each frame of an answer draws that answer, no other turn and no chat of the list', async () => {
  const { session, grow } = await opened();
  session.ask('And then?');
  await grow('One');
  await drawn();
  draws.length = 0;
  for (const word of ['two', 'three', 'four']) await grow(` ${word}`);
  expect(document.querySelector('.turn:last-child')!.textContent).toContain('One two three four');
  expect(drawsOf('Log', 'Turn', 'Answer', 'Block', 'IdleAction')).toEqual([3, 3, 3, 3, 3]);
  expect(drawsOf('History', 'Rows', 'Chat', 'Composer')).toEqual([0, 0, 0, 0]);
});

test('an answer that begins or ends draws in the turns above only what cannot be done meanwhile', async () => {
  const { session, grow, say } = await opened();
  session.ask('And then?');
  await grow('One');
  await say(null);
  await vi.waitFor(() => expect(session.snapshot.busy).toBe(false));
  await drawn();
  const [turns, answers, buttons] = drawsOf('Turn', 'Answer', 'IdleAction');
  expect([turns, answers].every((count) => count! < 8)).toBe(true); // the one that was last, and the new one
  expect(buttons).toBeGreaterThan(TURNS);
});

test('typing draws nothing but the composer', async () => {
  await opened();
  const field = document.querySelector('textarea')!;
  field.value = 'a';
  field.dispatchEvent(new Event('input', { bubbles: true }));
  await drawn();
  expect(drawsOf('Composer', 'Log', 'Turn', 'History', 'Rows')).toEqual([1, 0, 0, 0, 0]);
});

test('of a thousand chats the list draws those in sight', async () => {
  await begun();
  const rows = document.querySelectorAll('.chats li').length;
  expect(rows).toBeGreaterThan(0);
  expect(rows).toBeLessThan(60);
});
