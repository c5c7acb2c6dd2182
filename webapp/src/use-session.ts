/** The session for components: the object itself, and what it is now. */
import { createContext } from 'preact';
import { useSyncExternalStore } from 'preact/compat';
import { useContext } from 'preact/hooks';
import { browserAddress } from './address';
import { complete } from './completion';
import { config } from './config';
import { preferences } from './preferences';
import { Session, type Snapshot } from './session';
import { leave, openStore } from './store';
import { browserTabs } from './tabs';
import type { User } from './user';

/** A session in this browser, told of what the browser tells. */
export function browserSession(): Session {
  const session = new Session({
    complete,
    config,
    openStore,
    leave,
    address: browserAddress,
    tabs: browserTabs,
    chosen: preferences,
    now: Date.now,
    newId: () => crypto.randomUUID(),
    frame(run) {
      const frame = requestAnimationFrame(run);
      return () => cancelAnimationFrame(frame);
    },
  });
  addEventListener('popstate', () => void session.moved());
  addEventListener('pagehide', () => session.left());
  document.addEventListener('visibilitychange', () => document.visibilityState === 'hidden' && session.hidden());
  return session;
}

export const SessionContext = createContext<Session | null>(null);

export function useSession(): Session {
  return useContext(SessionContext)!;
}

/** A part of what the session is now. A component is drawn again when that part is another, and for nothing else: each frame of an answer is a new snapshot. */
export function useSnapshot<T>(part: (snapshot: Snapshot) => T): T {
  const session = useSession();
  return useSyncExternalStore(session.subscribe, () => part(session.snapshot));
}

/** Who is signed in; null is nobody, undefined that it is not known yet. */
export const UserContext = createContext<User | null | undefined>(undefined);

export function useUser(): User | null | undefined {
  return useContext(UserContext);
}
