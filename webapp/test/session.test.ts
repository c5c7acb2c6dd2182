import 'fake-indexeddb/auto';
import { beforeEach, expect, test, vi } from 'vitest';
import type { Address } from '../src/address';
import { Problem, type Progress, type Question } from '../src/completion';
import { Session, type Surroundings } from '../src/session';
import { openStore } from '../src/store';
import type { Tabs } from '../src/tabs';

type Said = Progress | Error | null;

/** Answers that are written by hand: of the question that was asked last, or of the one that is named. */
class Model {
  asked: Question[] = [];
  readonly #answers = new Map<string, ReturnType<typeof pipe<Said>>>();

  async say(...said: Said[]): Promise<void> {
    await vi.waitFor(() => expect(this.#answers.size).toBeGreaterThan(0));
    this.sayTo([...this.#answers.keys()].at(-1)!, ...said);
  }

  sayTo(question: string, ...said: Said[]): void {
    for (const each of said) this.#answers.get(question)!.put(each);
  }

  complete = async function* (this: Model, question: Question, _: string, signal: AbortSignal): AsyncGenerator<Progress> {
    this.asked.push(question);
    const answer = pipe<Said>();
    this.#answers.set(named(question), answer);
    const stopped = new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    try {
      for (;;) {
        const next = await Promise.race([answer.take(), stopped]);
        if (next === null) return;
        if (next instanceof Error) throw next;
        yield next;
      }
    } finally {
      this.#answers.delete(named(question));
    }
  }.bind(this);
}

const named = ({ messages }: Question) => JSON.stringify(messages.at(-1)!.content);

/** What is put in comes out in turn, as soon as it is there. */
function pipe<T>() {
  const [full, empty]: [T[], ((each: T) => void)[]] = [[], []];
  return {
    put(each: T) {
      const wanted = empty.shift();
      if (wanted) wanted(each);
      else full.push(each);
    },
    take: () => new Promise<T>((resolve) => (full.length ? resolve(full.shift()!) : empty.push(resolve))),
  };
}

/** Held by whom, as all tabs of one test see it. */
function locks(): Tabs {
  const held = new Map<string, Promise<void>>();
  return {
    hold(id) {
      let release!: () => void;
      held.set(id, new Promise((resolve) => (release = resolve)));
      return () => {
        held.delete(id);
        release();
      };
    },
    isHeld: async (id) => held.has(id),
    free: async (id) => held.get(id),
  };
}

const CONFIG = { models: [], delivery: 'streamed', suggestions: [], follow_ups: [], images: true, system_prompt: false } as const;
let [model, tabs, people] = [new Model(), locks(), 0];

beforeEach(() => {
  [model, tabs] = [new Model(), locks()];
  people += 1;
  const values = new Map<string, string>();
  vi.stubGlobal('localStorage', {
    getItem: (name: string) => values.get(name) ?? null,
    setItem: (name: string, value: string) => void values.set(name, value),
    removeItem: (name: string) => void values.delete(name),
  });
});

let ids = 0;

async function tab(at: string | null = null, answered = model): Promise<Session & { address: Address }> {
  const steps = [at];
  const address: Address = { get: () => steps.at(-1)!, push: (id) => void steps.push(id), replace: (id) => void steps.splice(-1, 1, id) };
  const around: Surroundings = {
    complete: answered.complete,
    openStore,
    config: Promise.resolve({ ...CONFIG, models: [], suggestions: [], follow_ups: [] }),
    address,
    tabs,
    chosen: () => ({ model: '', systemPrompt: '' }),
    frame(run) {
      const timer = setTimeout(run, 0);
      return () => clearTimeout(timer);
    },
    now: Date.now,
    newId: () => `id${++ids}`,
  };
  const session = Object.assign(new Session(around), { address });
  await session.signedIn(`person${people}`);
  return session;
}

const shown = (session: Session) => session.snapshot.messages.map(({ content, state }) => [content, state]);
const titles = (session: Session) => session.snapshot.kept.map(({ title }) => title);

test('a question is answered as it comes, and kept', async () => {
  const session = await tab();
  expect(session.ask(' Hi ')).toBe(true);
  expect(session.ask('Again?')).toBe(false); // not while it is answered
  expect(session.address.get()).toBe(session.snapshot.open.id);
  await model.say({ text: 'Hel' });
  await vi.waitFor(() =>
    expect(shown(session)).toEqual([
      ['Hi', 'done'],
      ['Hel', 'streaming'],
    ]),
  );
  await model.say({ text: 'lo' }, { finish: 'stop' }, null);
  await vi.waitFor(() =>
    expect(shown(session)).toEqual([
      ['Hi', 'done'],
      ['Hello', 'done'],
    ]),
  );
  await vi.waitFor(() => expect(session.snapshot.answering.size).toBe(0));
  const other = await tab(session.snapshot.open.id);
  expect([shown(other), titles(other)]).toEqual([
    [
      ['Hi', 'done'],
      ['Hello', 'done'],
    ],
    ['Hi'],
  ]);
});

test('an answer goes on when one leaves its chat, and is marked when it came', async () => {
  const session = await tab();
  session.ask('First');
  const first = session.snapshot.open.id;
  await model.say({ text: 'Half' });
  session.start();
  expect(session.snapshot.messages).toEqual([]);
  expect(session.ask('Second')).toBe(true); // several at once
  expect([...session.snapshot.answering]).toEqual([first, session.snapshot.open.id]);
  await vi.waitFor(() => expect(model.asked.length).toBe(2));
  model.sayTo('"First"', { text: ' and half' }, { finish: 'stop' }, null);
  await vi.waitFor(() => expect([...session.snapshot.unread]).toEqual([first]));
  await session.choose(first);
  expect(shown(session)).toEqual([
    ['First', 'done'],
    ['Half and half', 'done'],
  ]);
  expect(session.snapshot.unread.size).toBe(0);
});

test('who comes back to a chat that is being answered sees it grow', async () => {
  const session = await tab();
  session.ask('First');
  const first = session.snapshot.open.id;
  session.start();
  await session.choose(first);
  await model.say({ text: 'Here' });
  await vi.waitFor(() => expect(shown(session)[1]).toEqual(['Here', 'streaming']));
  session.stop();
  await vi.waitFor(() => expect(shown(session)[1]).toEqual(['Here', 'stopped']));
});

test('what is on the screen when the page goes away is there when it comes back', async () => {
  const session = await tab();
  session.ask('Count');
  const { id } = session.snapshot.open;
  await model.say({ text: 'one two three' });
  await vi.waitFor(() => expect(shown(session)[1]).toEqual(['one two three', 'streaming']));
  session.left();
  const back = await tab(id, new Model());
  expect(shown(back)).toEqual([
    ['Count', 'done'],
    ['one two three', 'interrupted'],
  ]);
});

test('an answer that the browser cuts before it says that the page goes away is there when it comes back', async () => {
  const session = await tab();
  session.ask('Count');
  const { id } = session.snapshot.open;
  await model.say({ text: 'one two three' });
  await vi.waitFor(() => expect(shown(session)[1]).toEqual(['one two three', 'streaming']));
  const put = vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(() => {
    throw new Error('too late');
  });
  session.subscribe(({ messages }) => messages[1]?.state === 'interrupted' && session.left());
  await model.say(new Problem('network', 'r'));
  await vi.waitFor(() => expect(shown(session)[1]).toEqual(['one two three', 'interrupted']));
  put.mockRestore();
  const back = await tab(id, new Model());
  expect(shown(back)[1]).toEqual(['one two three', 'interrupted']);
});

test.each([
  ['goes on where it is', null, 'done'],
  ['keeps what it has where that fails', new Problem('network', 'r'), 'interrupted'],
])('an answer that was cut %s', async (_, end, state) => {
  const session = await tab();
  session.ask('Count');
  await model.say({ text: 'one, ' }, { finish: 'length' }, null);
  await vi.waitFor(() => expect(session.snapshot.busy).toBe(false));
  session.goOn(session.snapshot.messages[1]!, 'Continue');
  await model.say({ text: 'two' }, ...(end ? [] : [{ finish: 'stop' }]), end);
  await vi.waitFor(() => expect(shown(session)[1]).toEqual(['one, two', state]));
  expect(model.asked.at(-1)!.messages).toEqual([
    { role: 'user', content: 'Count' },
    { role: 'assistant', content: 'one, ' },
    { role: 'user', content: 'Continue' },
  ]);
});

test('a limit says when it ends, and nothing that was kept is lost by a failure', async () => {
  const session = await tab();
  session.ask('Go');
  await model.say(new Problem('rate_limit_exceeded', 'r', { retryAt: 5 }));
  await vi.waitFor(() => expect(shown(session)[1]).toEqual(['', 'limited']));
  session.regenerate(session.snapshot.messages[1]!);
  await model.say({ text: 'There' }, null);
  await vi.waitFor(() => expect(shown(session)[1]).toEqual(['There', 'done']));
});

test('what is deleted stays deleted, and comes back whole where it is undone', async () => {
  const session = await tab();
  session.ask('Secret');
  const { id } = session.snapshot.open;
  await model.say({ text: 'Half' });
  await vi.waitFor(() => expect(shown(session)[1]).toEqual(['Half', 'streaming']));
  const back = session.remove(id);
  await vi.waitFor(() => expect(session.snapshot.answering.size).toBe(0));
  expect([session.snapshot.messages, titles(session), session.address.get()]).toEqual([[], [], null]);
  expect((await tab(id)).snapshot.lost).toBe(true);
  await back();
  expect(shown(session)).toEqual([
    ['Secret', 'done'],
    ['Half', 'stopped'],
  ]);
  expect(titles(await tab())).toEqual(['Secret']);
});

test('two tabs: an answer is under way in both, can be stopped from both, and a name or a pin given there stays', async () => {
  const here = await tab();
  here.ask('Shared');
  const { id } = here.snapshot.open;
  await model.say({ text: 'Half' });
  await vi.waitFor(() => expect(here.snapshot.kept.length).toBe(1));
  const there = await tab(id, new Model());
  expect(there.snapshot.busy).toBe(true);
  await there.rename(id, 'Named');
  await there.pin(id, true);
  await vi.waitFor(() => expect([here.snapshot.open.title, here.snapshot.open.pinned! > 0]).toEqual(['Named', true]));
  there.stop();
  await vi.waitFor(() => expect(shown(here)[1]).toEqual(['Half', 'stopped']));
  await vi.waitFor(() => expect(shown(there)[1]).toEqual(['Half', 'stopped']));
  expect(titles(here)).toEqual(['Named']);
});

test('a save touches its own chat alone', async () => {
  const session = await tab();
  for (const question of ['One', 'Two']) {
    session.start();
    session.ask(question);
    await model.say({ text: 'Yes' }, null);
    await vi.waitFor(() => expect(session.snapshot.answering.size).toBe(0));
  }
  const read = vi.spyOn(IDBObjectStore.prototype, 'getAll');
  const got = vi.spyOn(IDBObjectStore.prototype, 'get');
  await session.rename(session.snapshot.open.id, 'Three');
  expect(titles(session)).toEqual(['Three', 'One']);
  expect([read.mock.calls.length, got.mock.calls.length]).toEqual([0, 1]);
  vi.restoreAllMocks();
});

test('files go with the question as parts, and with the chat afterwards', async () => {
  const session = await tab();
  const image = { kind: 'image', name: 'a.png', data: 'data:image/png;base64,AA==' } as const;
  const notes = { kind: 'text', name: 'a.txt', data: 'notes' } as const;
  session.ask('What?', { attachments: [image, notes] });
  await vi.waitFor(() => expect(model.asked.length).toBe(1));
  expect(model.asked[0]!.messages[0]!.content).toEqual([
    { type: 'image_url', image_url: { url: image.data } },
    { type: 'text', text: 'a.txt:\n\nnotes' },
    { type: 'text', text: 'What?' },
  ]);
  session.stop();
});
