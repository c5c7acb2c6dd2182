/** The conversations this browser keeps, each user's own, and word of changes in its other tabs. */
import { openDB, type DBSchema, type IDBPDatabase } from 'idb';
import type { Conversation } from './conversation';

interface Schema extends DBSchema {
  conversations: { key: [string, string]; value: Conversation & { user: string } };
}

export interface Store {
  /** All of the user's, the last changed first. */
  list(): Promise<Conversation[]>;
  save(conversation: Conversation): Promise<void>;
  remove(id: string): Promise<void>;
  /** Everybody's, and the database with it. */
  wipe(): Promise<void>;
  /** Call back when another tab has changed something. */
  watch(changed: () => void): () => void;
}

const NAME = 'chat-v1';

/** The user's store; null where the browser keeps nothing, as in some private modes. */
export async function openStore(user: string): Promise<Store | null> {
  let db: IDBPDatabase<Schema>;
  try {
    db = await openDB<Schema>(NAME, 1, {
      upgrade: (made) => void made.createObjectStore('conversations', { keyPath: ['user', 'id'] }),
      blocking: (_before, _after, event) => (event.target as IDBDatabase).close(), // another tab deletes everything
    });
  } catch {
    return null;
  }
  const tabs = new BroadcastChannel(NAME);
  const told = (done: Promise<unknown>) => done.then(() => tabs.postMessage(user));
  return {
    async list() {
      const mine = IDBKeyRange.bound([user, ''], [user, '\uffff']);
      const found = await db.getAll('conversations', mine);
      return found.map(({ user: _, ...conversation }) => conversation).sort((one, other) => other.at - one.at);
    },
    save: (conversation) => told(db.put('conversations', { ...conversation, user })),
    remove: (id) => told(db.delete('conversations', [user, id])),
    wipe: () => told(db.clear('conversations')),
    watch(changed) {
      const heard = () => changed();
      tabs.addEventListener('message', heard);
      return () => tabs.removeEventListener('message', heard);
    },
  };
}
