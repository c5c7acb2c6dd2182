import 'fake-indexeddb/auto';
import { forceCloseDatabase, IDBFactory } from 'fake-indexeddb';
import { openDB } from 'idb';
import { expect, test, vi } from 'vitest';
import { byAge, type Conversation, fresh, reduce, summary } from '../src/conversation';
import { NAME, openStore, type Store } from '../src/store';

const opened = async (user: string): Promise<Store> => (await openStore(user))!;

test('conversations are kept, the last changed first, each user having their own', async () => {
  const [alice, zoe] = [await opened('alice'), await opened('zoë')];
  await alice.save(fresh('one', 1));
  await alice.save(fresh('two', 2));
  await zoe.save(fresh('one', 3));
  expect((await alice.list()).map(({ id }) => id)).toEqual(['two', 'one']);
  expect((await zoe.list()).map(({ id, at }) => [id, at])).toEqual([['one', 3]]);
  await alice.remove('one');
  expect((await alice.list()).map(({ id }) => id)).toEqual(['two']);
  expect(await zoe.list()).toHaveLength(1);
});

test('a name that begins with another is somebody else', async () => {
  const [short, long] = [await opened('al'), await opened('alice2')];
  await long.save(fresh('x', 1));
  expect(await short.list()).toEqual([]);
});

test('deleting everything leaves nothing of anybody', async () => {
  const [alice, bob] = [await opened('alice'), await opened('bob')];
  await bob.save(fresh('x', 1));
  await alice.wipe();
  expect([await alice.list(), await bob.list()]).toEqual([[], []]);
});

test('what two tabs saved of one conversation is both', async () => {
  const [one, other] = [await opened('alice'), await opened('alice')];
  const begun = fresh('shared', 1);
  await one.save(reduce(begun, { type: 'ask', text: 'Here?', parent: null, ids: ['q', 'a'], at: 2 }));
  await other.save(reduce(begun, { type: 'ask', text: 'There?', parent: null, ids: ['q2', 'a2'], at: 3 }));
  const kept = (await one.get('shared'))!;
  expect(kept.messages.map(({ id }) => id)).toEqual(['q', 'a', 'q2', 'a2']);
});

test('another tab hears of a change', async () => {
  const [one, other] = [await opened('alice'), await opened('alice')];
  const heard = vi.fn();
  const stop = other.watch(heard);
  await one.save(fresh('x', 1));
  await vi.waitFor(() => expect(heard).toHaveBeenCalledWith({ what: 'changed', id: 'x' }));
  stop();
});

test('a browser that keeps nothing has no store', async () => {
  vi.stubGlobal('indexedDB', {
    open: () => {
      throw new DOMException('no', 'SecurityError');
    },
  });
  expect(await openStore('alice')).toBeNull();
  vi.unstubAllGlobals();
});

/** A browser's database as the first version of this page made it. */
async function byTheFirstVersion(conversations: (Conversation & { user: string })[]) {
  vi.stubGlobal('indexedDB', new IDBFactory());
  const db = await openDB(NAME, 1, { upgrade: (made) => void made.createObjectStore('conversations', { keyPath: ['user', 'id'] }) });
  const transaction = db.transaction('conversations', 'readwrite');
  for (const each of conversations) void transaction.store.put(each);
  await transaction.done;
  return db;
}

test('a thousand chats of the first version are kept whole, each person having their own', async () => {
  const chats = Array.from({ length: 1000 }, (_, n) => {
    const asked = reduce(fresh(`c${n}`, n), { type: 'ask', text: `What of ${n}?`, parent: null, ids: ['q', 'a'], at: n });
    return { ...reduce(asked, { type: 'grow', id: 'a', growth: { content: `This of ${n}.` } }), user: n % 2 ? 'alice' : 'bob' };
  });
  (await byTheFirstVersion(chats)).close();
  const [alice, bob] = [await opened('alice'), await opened('bob')];
  const of = (user: string) => chats.filter((each) => each.user === user).map(({ user: _, ...each }) => each);
  expect(await alice.list()).toEqual(of('alice').map(summary).sort(byAge));
  expect(await bob.list()).toHaveLength(500);
  expect(await Promise.all(of('alice').map(({ id }) => alice.get(id)))).toEqual(of('alice'));
  vi.unstubAllGlobals();
});

test('a tab with the first version is waited for, and what it kept last is there', async () => {
  const old = await byTheFirstVersion([]);
  const lost = vi.fn();
  const opening = openStore('alice', lost);
  await vi.waitFor(() => expect(lost.mock.calls).toEqual([['older']]));
  await old.put('conversations', { ...fresh('last', 1), user: 'alice' });
  old.close();
  expect((await (await opening)!.list()).map(({ id }) => id)).toEqual(['last']);
  vi.unstubAllGlobals();
});

test('a newer version of the page is not kept waiting', async () => {
  vi.stubGlobal('indexedDB', new IDBFactory());
  const lost = vi.fn();
  const store = (await openStore('alice', lost))!;
  await store.save(fresh('x', 1));
  const newer = await openDB(NAME, 3);
  expect(lost.mock.calls).toEqual([['newer']]);
  expect(await newer.count('conversations')).toBe(1);
  await expect(store.save(fresh('y', 1))).rejects.toThrow();
  newer.close();
  vi.unstubAllGlobals();
});

test('one that the browser has closed says so, and hears no more: whoever opens it again would hear itself', async () => {
  vi.stubGlobal('indexedDB', new IDBFactory());
  const opening = vi.spyOn(indexedDB, 'open');
  const [lost, heard, heardElsewhere] = [vi.fn(), vi.fn(), vi.fn()];
  (await openStore('alice', lost))!.watch(heard);
  forceCloseDatabase(opening.mock.results[0]!.value.result);
  await vi.waitFor(() => expect(lost.mock.calls).toEqual([['closed']]));
  const [again, other] = [await opened('alice'), await opened('alice')];
  other.watch(heardElsewhere);
  await again.save(fresh('x', 1));
  await vi.waitFor(() => expect(heardElsewhere).toHaveBeenCalled());
  expect(heard).not.toHaveBeenCalled();
  vi.unstubAllGlobals();
});
