/** The chat's state and what can be done to it: the open conversation, the ones that are kept, the answer under way. */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { complete, type Failure, isAbort, Problem } from './completion';
import { config } from './config';
import { type Action, branch, type Conversation, context, fresh, isUnderWay, type Message, reduce, settled } from './conversation';
import { useListener } from './listen';
import type { Preferences } from './preferences';
import { openStore, type Store } from './store';
import type { User } from './user';

const SAVED_EVERY_MS = 2000;

export interface Chat {
  open: Conversation;
  /** The branch that is shown. */
  messages: Message[];
  busy: boolean;
  kept: Conversation[];
  /** Whether this browser keeps conversations; null until that is known. */
  keeps: boolean | null;
  /** Whether it did, and has no room any more. */
  full: boolean;
  /** Whether the address names a conversation that is not here. */
  lost: boolean;
  /** Ask, unless there is nothing to ask or an answer is under way; whether it was asked. */
  ask(text: string, parent?: string | null): boolean;
  regenerate(answer: Message): void;
  stop(): void;
  start(): void;
  choose(id: string): void;
  show(version: Message): void;
  rename(id: string, title: string): void;
  /** Remove one; what is given back brings it back. */
  remove(id: string): () => void;
  /** Take one in and show it. */
  add(conversation: Conversation): void;
  wipe(): Promise<void>;
}

/** `user` is undefined until it is known whether anybody is signed in. */
export function useChat(user: User | null | undefined, preferences: Preferences): Chat {
  const [open, setOpen] = useState(begun);
  const [kept, setKept] = useState<Conversation[]>([]);
  const [store, setStore] = useState<Store | null | undefined>();
  const [full, setFull] = useState(false);
  const [lost, setLost] = useState(false);
  const latest = useRef(open);
  const running = useRef<AbortController | null>(null);
  /** What was deleted, and must not be saved again by an answer that ends later. */
  const gone = useRef(new Set<string>());
  const awaited = useRef(new Set<string>());
  const keeping = useRef<Store | null | undefined>(undefined);
  keeping.current = store;
  const chosen = useRef(preferences);
  chosen.current = preferences;

  const display = (conversation: Conversation) => {
    latest.current = conversation;
    setOpen(conversation);
  };
  const relist = async () => {
    const found = (await keeping.current?.list()) ?? [];
    setKept(found);
    return found;
  };
  const save = async (conversation: Conversation) => {
    if (gone.current.has(conversation.id)) return;
    try {
      await keeping.current?.save(conversation);
      setFull(false);
      await relist();
    } catch {
      setFull(true);
    }
  };

  useEffect(() => {
    if (user) void openStore(user.userId).then(setStore);
    else if (user === null) setStore(null);
  }, [user?.userId, user === null]);

  /** Show it as it is kept. While another tab answers in it, it is under way here too, until that tab ends or goes. */
  const adopt = async (found: Conversation) => {
    const before = latest.current;
    const elsewhere = await isLocked(found.id);
    if (running.current || latest.current !== before) return; // somebody was faster
    display(elsewhere ? found : settled(found));
    if (!elsewhere || awaited.current.has(found.id)) return;
    awaited.current.add(found.id);
    void navigator.locks.request(lockOf(found.id), () => awaited.current.delete(found.id)).then(refresh);
  };
  const refresh = async () => {
    const before = latest.current;
    const wanted = before.messages.length ? before.id : addressed();
    const found = (await relist()).find(({ id }) => id === wanted);
    if (latest.current.id !== before.id) return;
    if (found && running.current) display({ ...latest.current, title: found.title, named: found.named });
    else if (found) await adopt(found);
    else if (!found && wanted && !latest.current.messages.length) {
      history.replaceState(null, '', '/');
      setLost(true);
    }
  };
  const forget = (id: string | null) => {
    if (id !== null && id !== latest.current.id) return;
    gone.current.add(latest.current.id);
    running.current?.abort();
    void keeping.current?.remove(latest.current.id).then(relist); // a save of ours may have been under way
    if (location.pathname !== '/') history.replaceState(null, '', '/');
    display(begun());
  };
  useEffect(() => {
    if (!store) return;
    if (latest.current.messages.length) void save(latest.current); // asked before it was known who asks
    void refresh();
    return store.watch(({ what, id }) => {
      if (what === 'stop' && id === latest.current.id) running.current?.abort();
      if (what === 'removed') forget(id);
      if (what === 'changed') gone.current.delete(id!); // brought back
      if (what !== 'stop') void refresh();
    });
  }, [store]);
  useListener(window, 'pagehide', () => running.current?.abort());
  useListener(window, 'popstate', () => {
    const id = addressed();
    if (id === latest.current.id) return; // a jump within the page
    running.current?.abort();
    running.current = null;
    void relist().then((all) => {
      const found = all.find((each) => each.id === id);
      if (found) void adopt(found);
      else display(begun());
    });
  });

  async function answer(begin: Conversation, question: string, id: string) {
    const abort = new AbortController();
    running.current = abort;
    let mine = begin;
    let text = '';
    let frame = 0;
    let savedAt = Date.now();
    const apply = (action: Action) => {
      const shown = latest.current.id === mine.id;
      mine = reduce(shown ? latest.current : mine, action);
      if (shown) display(mine);
    };
    const draw = () => {
      frame = 0;
      apply({ type: 'grow', id, content: text });
    };
    const release = held(lockOf(begin.id));
    const end = (state: Message['state'], failure?: Failure) => {
      cancelAnimationFrame(frame);
      if (text) apply({ type: 'grow', id, content: text });
      apply({ type: 'end', id, state, failure });
      void save(mine).finally(() => {
        if (running.current === abort) running.current = null; // until then, what is kept is behind what is shown
        release();
      });
    };
    display(begin);
    void save(begin);
    try {
      const { delivery, models, system_prompt } = await config;
      const { model, systemPrompt } = chosen.current;
      const own = system_prompt && systemPrompt ? [{ role: 'system' as const, content: systemPrompt }] : [];
      const messages = [...own, ...context(begin, question)];
      for await (const progress of complete({ messages, model: models.includes(model) ? model : undefined, delivery }, abort.signal)) {
        if ('finish' in progress) apply({ type: 'finish', id, reason: progress.finish });
        else if ('usage' in progress) apply({ type: 'usage', id, usage: progress.usage });
        else text += progress.text;
        frame ||= requestAnimationFrame(draw);
        if (Date.now() - savedAt < SAVED_EVERY_MS) continue;
        savedAt = Date.now(); // here and not when it is drawn: a page in the background draws nothing
        if (text) apply({ type: 'grow', id, content: text });
        void save(mine);
      }
      end('done');
    } catch (error) {
      if (isAbort(error)) end('stopped');
      else if (error instanceof Problem) end(stateOf(error.failure, text), error.failure);
      else {
        end('failed', { code: 'other', requestId: '', retryAt: null, filtered: [] });
        throw error;
      }
    }
  }

  const actions = useMemo(() => {
    const stop = () => {
      if (running.current) running.current.abort();
      else keeping.current?.stop(latest.current.id); // another tab answers
    };
    const turnTo = (conversation: Conversation, path: string) => {
      running.current?.abort();
      running.current = null;
      setLost(false);
      if (location.pathname !== path) history.pushState(null, '', path);
      display(conversation);
    };
    return {
      stop,
      ask(text: string, parent: string | null = latest.current.leaf) {
        const question = text.trim();
        if (!question || isUnderWay(branch(latest.current).at(-1))) return false;
        const ids: [string, string] = [crypto.randomUUID(), crypto.randomUUID()];
        const next = reduce(latest.current, { type: 'ask', text: question, parent, ids, at: Date.now() });
        if (addressed() !== next.id) history.pushState(null, '', `/c/${next.id}`);
        setLost(false);
        void answer(next, ...ids);
        return true;
      },
      regenerate(message: Message) {
        const id = crypto.randomUUID();
        const question = message.parent!;
        void answer(reduce(latest.current, { type: 'again', question, id, at: Date.now() }), question, id);
      },
      start: () => turnTo(begun(), '/'),
      choose(id: string) {
        if (id === latest.current.id) return;
        void relist().then((found) => {
          const conversation = found.find((each) => each.id === id);
          if (!conversation) return;
          turnTo(settled(conversation), `/c/${id}`);
          void adopt(conversation);
        });
      },
      show(version: Message) {
        display(reduce(latest.current, { type: 'show', id: version.id }));
        void save(latest.current);
      },
      rename(id: string, title: string) {
        if (!title.trim()) return;
        const action = { type: 'rename', title: title.trim(), at: Date.now() } as const;
        if (id === latest.current.id) display(reduce(latest.current, action));
        void relist().then((found) => {
          const conversation = id === latest.current.id ? latest.current : found.find((each) => each.id === id);
          if (conversation) void save(reduce(conversation, action));
        });
      },
      remove(id: string) {
        gone.current.add(id);
        const removed = relist().then(async (found) => {
          await keeping.current?.remove(id);
          await relist();
          return found.find((each) => each.id === id);
        });
        const shown = latest.current;
        if (id === shown.id) turnTo(begun(), '/');
        return () =>
          void removed.then(async (conversation) => {
            const again = conversation ?? shown;
            gone.current.delete(id);
            await save(again);
            if (id === shown.id) turnTo(settled(again), `/c/${id}`);
          });
      },
      add(conversation: Conversation) {
        void save(conversation);
        turnTo(conversation, `/c/${conversation.id}`);
      },
      async wipe() {
        gone.current.add(latest.current.id);
        turnTo(begun(), '/');
        await keeping.current?.wipe();
        await relist();
      },
    };
  }, []);

  const messages = useMemo(() => branch(open), [open]);
  return {
    open,
    messages,
    busy: isUnderWay(messages.at(-1)),
    kept,
    keeps: store === undefined ? null : store !== null,
    full,
    lost,
    ...actions,
  };
}

function begun(): Conversation {
  return fresh(crypto.randomUUID(), Date.now());
}

/** Held by the tab that answers in a conversation, as long as it does; the browser lets go of it when the tab goes. */
function lockOf(id: string): string {
  return `answering ${id}`;
}

function held(name: string): () => void {
  let release!: () => void;
  const released = new Promise<void>((resolve) => (release = resolve));
  void navigator.locks.request(name, () => released);
  return release;
}

async function isLocked(id: string): Promise<boolean> {
  const { held } = await navigator.locks.query();
  return held?.some(({ name }) => name === lockOf(id)) ?? false;
}

/** The conversation that the page's address names. */
function addressed(): string | null {
  return /^\/c\/([\w-]+)$/.exec(location.pathname)?.[1] ?? null;
}

function stateOf(failure: Failure, text: string): Message['state'] {
  if (text) return 'interrupted';
  return failure.retryAt ? 'limited' : 'failed';
}
