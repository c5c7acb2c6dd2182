/** The conversations this browser keeps, each user's own, and word of changes in its other tabs. */
import { type DBSchema, type IDBPDatabase, openDB } from 'idb';
import { byAge, type Conversation, merged, type Summary, summary } from './conversation';
import { keep, kept } from './kept';

export interface Schema extends DBSchema {
  conversations: { key: [string, string]; value: Conversation & { user: string } };
  /** What the list shows, so that it can be read without the conversations. */
  summaries: { key: [string, string]; value: Summary & { user: string } };
}

export interface Store {
  /** All of the user's, the last changed first. */
  list(): Promise<Summary[]>;
  get(id: string): Promise<Conversation | undefined>;
  /** Together with what another tab has made of it; given back is what is kept now. */
  save(conversation: Conversation): Promise<Conversation>;
  remove(id: string): Promise<void>;
  /** Everybody's. */
  wipe(): Promise<void>;
  /** Have the tab that answers in a conversation stop. */
  stop(id: string): void;
  /** Call back with what another tab has done. */
  watch(heard: (word: Word) => void): () => void;
}

/** What tabs tell each other: which conversation has changed, is gone, or shall stop; `id` null is all of them. */
export interface Word {
  what: 'changed' | 'removed' | 'stop';
  id: string | null;
}

/** Why this tab can keep nothing more: another tab has an older page open, or a newer one, or the browser closed the database. */
export type Loss = 'older' | 'newer' | 'closed';

export const NAME = 'chat-v1';
const VERSION = 2;

/** The user's store; null where the browser keeps nothing, as in some private modes. `lost` is told where it stops keeping. */
export async function openStore(user: string, lost: (why: Loss) => void = () => undefined): Promise<Store | null> {
  const ended = new AbortController(); // so that who opens it anew does not hear itself
  let db: IDBPDatabase<Schema>;
  try {
    db = await openDB<Schema>(NAME, VERSION, {
      async upgrade(made, before, _, transaction) {
        if (before < 1) made.createObjectStore('conversations', { keyPath: ['user', 'id'] });
        const summaries = made.createObjectStore('summaries', { keyPath: ['user', 'id'] });
        for await (const { value } of transaction.objectStore('conversations'))
          await summaries.put({ ...summary(value), user: value.user });
      },
      blocked: () => lost('older'),
      blocking(_, __, event) {
        (event.target as IDBDatabase).close();
        lost('newer');
      },
      terminated() {
        ended.abort();
        lost('closed');
      },
    });
  } catch {
    return null;
  }
  const tabs = new BroadcastChannel(NAME);
  const tell = (word: Word) => tabs.postMessage(word);
  const store: Store = {
    async list() {
      const found = await db.getAll('summaries', IDBKeyRange.bound([user, ''], [user, '\uffff']));
      return found.map(({ user: _, ...each }) => each).sort(byAge);
    },
    async get(id) {
      const found = await db.get('conversations', [user, id]);
      if (!found) return undefined;
      const { user: _, ...conversation } = found;
      return conversation;
    },
    async save(conversation) {
      const transaction = db.transaction(['conversations', 'summaries'], 'readwrite');
      const conversations = transaction.objectStore('conversations');
      const before = await conversations.get([user, conversation.id]);
      const { user: _, ...both } = { user, ...(before ? merged(before, conversation) : conversation) };
      void conversations.put({ ...both, user }).catch(() => undefined); // said once, by the transaction
      void transaction
        .objectStore('summaries')
        .put({ ...summary(both), user })
        .catch(() => undefined);
      await transaction.done;
      tell({ what: 'changed', id: conversation.id });
      return both;
    },
    async remove(id) {
      const transaction = db.transaction(['conversations', 'summaries'], 'readwrite');
      void transaction.objectStore('conversations').delete([user, id]);
      void transaction.objectStore('summaries').delete([user, id]);
      await transaction.done;
      tell({ what: 'removed', id });
    },
    async wipe() {
      keep(LEFT, null);
      await Promise.all([db.clear('conversations'), db.clear('summaries')]);
      tell({ what: 'removed', id: null });
    },
    stop: (id) => tell({ what: 'stop', id }),
    watch(heard) {
      const listener = (event: MessageEvent<Word>) => heard(event.data);
      tabs.addEventListener('message', listener, { signal: ended.signal });
      return () => tabs.removeEventListener('message', listener);
    },
  };
  for (const conversation of left.take(user)) await store.save(conversation).catch(() => leave(user, [conversation]));
  return store;
}

/** Keep what the database does not have while the page goes away; the user's next `openStore` takes it in. */
export function leave(user: string, conversations: Conversation[]): void {
  for (const each of conversations) left.put(user, each); // one by one: as much as there is room for
}

const LEFT = 'left';
type Left = Record<string, Conversation[]>;

/** What pages left behind, by user, in the one place where a page that goes away can still write. */
const left = {
  put(user: string, conversation: Conversation) {
    const all = kept<Left>(LEFT) ?? {};
    keep(LEFT, { ...all, [user]: [...(all[user] ?? []), conversation] });
  },
  take(user: string): Conversation[] {
    const { [user]: mine = [], ...others } = kept<Left>(LEFT) ?? {};
    if (mine.length) keep(LEFT, others);
    return mine;
  },
};
