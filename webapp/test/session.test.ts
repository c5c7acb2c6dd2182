import 'fake-indexeddb/auto';
import { forceCloseDatabase, IDBFactory } from 'fake-indexeddb';
import { openDB } from 'idb';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Address } from '../src/address';
import { Problem, type Progress, type Question } from '../src/completion';
import { Session, type Surroundings } from '../src/session';
import { leave, NAME, openStore } from '../src/store';
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

const CONFIG = {
  models: [],
  delivery: 'streamed',
  suggestions: [],
  follow_ups: [],
  images: true,
  system_prompt: false,
  limits: { bytes: 30_000_000 },
} as const;
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

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

let ids = 0;

async function tab(at: string | null = null, answered = model, waiting = false): Promise<Session & { address: Address }> {
  const steps = [at];
  const address: Address = { get: () => steps.at(-1)!, push: (id) => void steps.push(id), replace: (id) => void steps.splice(-1, 1, id) };
  const around: Surroundings = {
    complete: answered.complete,
    openStore,
    leave,
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
  signingIn = session.signedIn(`person${people}`);
  if (!waiting) await signingIn;
  return session;
}

/** The last tab's. */
let signingIn: Promise<void>;

const shown = (session: Session) => session.snapshot.messages.map(({ content, state }) => [content, state]);

/** In a chat of its own. */
async function answered(session: Session, question: string): Promise<string> {
  session.start();
  session.ask(question);
  await model.say({ text: 'Yes' }, { finish: 'stop' }, null);
  await vi.waitFor(() => expect(session.snapshot.answering.size).toBe(0));
  return session.snapshot.open.id;
}

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

test('where an answer goes on, its sources and tools stand where they belong, and it is not rated yet', async () => {
  const session = await tab();
  const source = { title: 'One', url: 'https://example.com/1', quote: '' };
  session.ask('Count');
  await model.say(
    { text: 'óne 🙂' },
    { sources: [{ ...source, at: 5 }] },
    { tool: { index: 0, name: 'a', arguments: '1' } },
    { finish: 'length' },
    null,
  );
  await vi.waitFor(() => expect(session.snapshot.busy).toBe(false));
  session.rate(session.snapshot.messages[1]!, 'up');
  session.goOn(session.snapshot.messages[1]!, 'Continue');
  await model.say(
    { text: ' two' },
    { sources: [{ ...source, at: 4 }] },
    { tool: { index: 0, name: 'b', arguments: '2' } },
    { finish: 'stop' },
    null,
  );
  await vi.waitFor(() => expect(session.snapshot.busy).toBe(false));
  expect(session.snapshot.messages[1]).toMatchObject({
    content: 'óne 🙂 two',
    sources: [{ at: 5 }, { at: 9 }],
    tools: [
      { name: 'a', arguments: '1' },
      { name: 'b', arguments: '2' },
    ],
    rating: undefined,
  });
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
  for (const question of ['One', 'Two']) await answered(session, question);
  const done = (['getAll', 'openCursor', 'get', 'put'] as const).map((each) => vi.spyOn(IDBObjectStore.prototype, each));
  await session.rename(session.snapshot.open.id, 'Three');
  expect(titles(session)).toEqual(['Three', 'One']);
  expect(done.map(({ mock }) => mock.calls.length)).toEqual([0, 0, 1, 2]); // itself and its summary
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

// --- where the browser does not keep ---

/** A page with the first version of the database, which nothing moves out of the way. */
const oldPage = () => openDB(NAME, 1, { upgrade: (made) => void made.createObjectStore('conversations', { keyPath: ['user', 'id'] }) });

test('what is asked while an older page is in the way is kept once that is closed', async () => {
  vi.stubGlobal('indexedDB', new IDBFactory());
  const old = await oldPage();
  const session = await tab(null, model, true);
  await vi.waitFor(() => expect(session.snapshot.trouble).toBe('older'));
  for (const question of ['One', 'Two']) await answered(session, question);
  session.start();
  old.close();
  await signingIn;
  await vi.waitFor(() => expect(titles(session).sort()).toEqual(['One', 'Two']));
  expect([session.snapshot.trouble, titles(await tab()).sort()]).toEqual([null, ['One', 'Two']]);
});

test('nor is it lost where this page goes first', async () => {
  vi.stubGlobal('indexedDB', new IDBFactory());
  const old = await oldPage();
  const session = await tab(null, model, true);
  const first = await answered(session, 'One');
  session.start();
  session.ask('Two');
  await model.say({ text: 'Half' });
  await vi.waitFor(() => expect(shown(session)[1]).toEqual(['Half', 'streaming']));
  session.left();
  vi.stubGlobal('indexedDB', new IDBFactory()); // nothing of it is from the page that went
  const next = await tab(first);
  expect([titles(next).sort(), shown(next)[1]]).toEqual([
    ['One', 'Two'],
    ['Yes', 'done'],
  ]);
  old.close();
});

test('what is answered after a newer page has taken the database over is shown, and there after a reload', async () => {
  vi.stubGlobal('indexedDB', new IDBFactory());
  const session = await tab();
  session.ask('One');
  const { id } = session.snapshot.open;
  await model.say({ text: 'Half' });
  await vi.waitFor(() => expect(titles(session)).toEqual(['One']));
  const newer = await openDB(NAME, 3);
  await model.say({ text: ' and half' }, { finish: 'stop' }, null);
  await vi.waitFor(() => expect(session.snapshot.answering.size).toBe(0));
  const second = await answered(session, 'Two');
  expect([session.snapshot.trouble, titles(session)]).toEqual(['newer', ['Two', 'One']]);
  await session.choose(id);
  expect(shown(session)[1]).toEqual(['Half and half', 'done']);
  session.left();
  newer.close();
  vi.stubGlobal('indexedDB', new IDBFactory());
  const next = await tab(second);
  expect([titles(next), shown(next)[1]]).toEqual([
    ['Two', 'One'],
    ['Yes', 'done'],
  ]);
  await next.choose(id);
  expect(shown(next)[1]).toEqual(['Half and half', 'done']);
});

/** Have the browser close the database that a tab opens. */
async function closed<T>(opening: () => Promise<T>): Promise<[T, () => void]> {
  const opened = vi.spyOn(indexedDB, 'open');
  const found = await opening();
  const { result } = opened.mock.results[0]!.value as IDBOpenDBRequest;
  opened.mockRestore();
  return [found, () => forceCloseDatabase(result as never)];
}

test('a database that the browser closes is opened again, and an answer under way goes on into it', async () => {
  vi.stubGlobal('indexedDB', new IDBFactory());
  const [session, close] = await closed(() => tab());
  session.ask('One');
  await model.say({ text: 'Half' });
  await vi.waitFor(() => expect(titles(session)).toEqual(['One']));
  vi.stubGlobal('indexedDB', new IDBFactory()); // thrown away, with all that was in it
  close();
  await model.say({ text: ' and half' }, { finish: 'stop' }, null);
  await vi.waitFor(() => expect([session.snapshot.answering.size, session.snapshot.trouble]).toEqual([0, null]));
  const next = await tab(session.snapshot.open.id);
  expect(shown(next)[1]).toEqual(['Half and half', 'done']);
});

test('one that cannot be opened again is said, and what came since is there after a reload', async () => {
  vi.stubGlobal('indexedDB', new IDBFactory());
  const [session, close] = await closed(() => tab());
  const refused = vi.spyOn(indexedDB, 'open').mockImplementation(() => {
    throw new DOMException('no', 'UnknownError');
  });
  close();
  await vi.waitFor(() => expect(session.snapshot.trouble).toBe('closed'));
  await answered(session, 'One');
  expect([session.snapshot.trouble, titles(session)]).toEqual(['closed', ['One']]);
  session.left();
  refused.mockRestore();
  expect(titles(await tab())).toEqual(['One']);
});

test('without room an answer is shown to its end and found in the list; it is kept as soon as there is room', async () => {
  const session = await tab();
  const old = await answered(session, 'Old');
  session.start();
  session.ask('One');
  await model.say({ text: 'Half' });
  await vi.waitFor(() => expect(shown(session)[1]).toEqual(['Half', 'streaming']));
  const full = vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(() => {
    throw new DOMException('full', 'QuotaExceededError');
  });
  await model.say({ text: ' and half' }, { finish: 'stop' }, null);
  await vi.waitFor(() => expect(session.snapshot.trouble).toBe('full'));
  const { id } = session.snapshot.open;
  await session.choose(old);
  await session.choose(id);
  expect([shown(session)[1], titles(session)]).toEqual([
    ['Half and half', 'done'],
    ['One', 'Old'],
  ]);
  full.mockRestore();
  session.remove(old);
  await vi.waitFor(() => expect(session.snapshot.trouble).toBeNull());
  expect(shown(await tab(id))[1]).toEqual(['Half and half', 'done']);
});

test('what found no room is left behind when the page goes, as often as there is none', async () => {
  const session = await tab();
  const full = vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(() => {
    throw new DOMException('full', 'QuotaExceededError');
  });
  await answered(session, 'One');
  session.start();
  session.ask('Two');
  const { id } = session.snapshot.open;
  await vi.waitFor(() => expect(titles(session)).toEqual(['Two', 'One']));
  await model.say({ text: 'Half' });
  await vi.waitFor(() => expect(shown(session)[1]).toEqual(['Half', 'streaming']));
  session.left();
  await vi.waitFor(() => expect(session.snapshot.answering.size).toBe(0));
  expect(titles(await tab())).toEqual([]); // still no room
  full.mockRestore();
  const next = await tab(id);
  expect([titles(next), shown(next)[1]]).toEqual([
    ['Two', 'One'],
    ['Half', 'interrupted'],
  ]);
});
