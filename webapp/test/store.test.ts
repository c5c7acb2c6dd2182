import 'fake-indexeddb/auto';
import { expect, test, vi } from 'vitest';
import { fresh, reduce } from '../src/conversation';
import { openStore, type Store } from '../src/store';

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
