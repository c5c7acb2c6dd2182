/** Searches one user's chats away from the page's thread: reads them once, and hears of each change. */
import { openDB } from 'idb';
import { SearchIndex } from './search-index';
import { NAME, type Schema, type Word } from './store';

/** Whose: the page names the worker so. */
const user = self.name;
const index = new SearchIndex();

const read = (async () => {
  const db = await openDB<Schema>(NAME);
  db.addEventListener('versionchange', () => db.close());
  new BroadcastChannel(NAME).addEventListener('message', async ({ data: { what, id } }: MessageEvent<Word>) => {
    const changed = what === 'changed' && (await db.get('conversations', [user, id!]));
    if (changed) index.put(changed);
    else if (what === 'removed') index.remove(id);
  });
  for (const each of await db.getAll('conversations', IDBKeyRange.bound([user, ''], [user, '\uffff']))) index.put(each);
})();

addEventListener('message', async ({ data }: MessageEvent<string>) => {
  await read;
  postMessage(index.find(data));
});
