/** The conversations this browser keeps, each user's own, and word of changes in its other tabs. */
import { type DBSchema, type IDBPDatabase, openDB } from 'idb';
import { type Conversation, merged } from './conversation';

interface Schema extends DBSchema {
  conversations: { key: [string, string]; value: Conversation & { user: string } };
}

export interface Store {
  /** All of the user's, the last changed first. */
  list(): Promise<Conversation[]>;
  /** Together with what another tab has made of it. */
  save(conversation: Conversation): Promise<void>;
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

const NAME = 'chat-v1';

/** The user's store; null where the browser keeps nothing, as in some private modes. */
export async function openStore(user: string): Promise<Store | null> {
  let db: IDBPDatabase<Schema>;
  try {
    db = await openDB<Schema>(NAME, 1, {
      upgrade: (made) => void made.createObjectStore('conversations', { keyPath: ['user', 'id'] }),
    });
  } catch {
    return null;
  }
  const tabs = new BroadcastChannel(NAME);
  const tell = (word: Word) => tabs.postMessage(word);
  return {
    async list() {
      const mine = IDBKeyRange.bound([user, ''], [user, '\uffff']);
      const found = await db.getAll('conversations', mine);
      return found.map(({ user: _, ...conversation }) => conversation).sort((one, other) => other.at - one.at);
    },
    async save(conversation) {
      const transaction = db.transaction('conversations', 'readwrite');
      const kept = await transaction.store.get([user, conversation.id]);
      await transaction.store.put({ ...(kept ? merged(kept, conversation) : conversation), user });
      await transaction.done;
      tell({ what: 'changed', id: conversation.id });
    },
    async remove(id) {
      await db.delete('conversations', [user, id]);
      tell({ what: 'removed', id });
    },
    async wipe() {
      await db.clear('conversations');
      tell({ what: 'removed', id: null });
    },
    stop: (id) => tell({ what: 'stop', id }),
    watch(heard) {
      const listener = (event: MessageEvent<Word>) => heard(event.data);
      tabs.addEventListener('message', listener);
      return () => tabs.removeEventListener('message', listener);
    },
  };
}
