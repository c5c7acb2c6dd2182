/** The chat's state and what can be done to it: the open conversation, the ones that are kept, the answer under way. */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { complete, isAbort, Problem, type Failure } from './completion';
import { config } from './config';
import { branch, context, fresh, isUnderWay, reduce, settled, type Action, type Conversation, type Message } from './conversation';
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
  ask(text: string, parent?: string | null): void;
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

export function useChat(user: User | null, preferences: Preferences): Chat {
  const [open, setOpen] = useState(begun);
  const [kept, setKept] = useState<Conversation[]>([]);
  const [store, setStore] = useState<Store | null | undefined>();
  const latest = useRef(open);
  const running = useRef<AbortController | null>(null);
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
    await keeping.current?.save(conversation);
    await relist();
  };

  useEffect(() => {
    if (user) void openStore(user.userId).then(setStore);
  }, [user?.userId]);
  useEffect(() => {
    if (!store) return;
    const refresh = async () => {
      const found = (await relist()).find(({ id }) => id === (latest.current.messages.length ? latest.current.id : addressed()));
      if (found && !running.current) display(settled(found));
    };
    void refresh();
    return store.watch(() => void refresh());
  }, [store]);
  useEffect(() => {
    const leave = () => running.current?.abort();
    const back = () => {
      running.current?.abort();
      const id = addressed();
      void relist().then((found) => display(settled(found.find((each) => each.id === id) ?? begun())));
    };
    addEventListener('pagehide', leave);
    addEventListener('popstate', back);
    return () => {
      removeEventListener('pagehide', leave);
      removeEventListener('popstate', back);
    };
  }, []);

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
      if (Date.now() - savedAt < SAVED_EVERY_MS) return;
      savedAt = Date.now();
      void save(mine);
    };
    const end = (state: Message['state'], failure?: Failure) => {
      cancelAnimationFrame(frame);
      if (text) apply({ type: 'grow', id, content: text });
      apply({ type: 'end', id, state, failure });
      if (running.current === abort) running.current = null;
      void save(mine);
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
      }
      end('done');
    } catch (error) {
      if (isAbort(error)) end('stopped');
      else if (error instanceof Problem) end(stateOf(error.failure, text), error.failure);
      else throw error;
    }
  }

  const actions = useMemo(() => {
    const stop = () => running.current?.abort();
    const turnTo = (conversation: Conversation, path: string) => {
      stop();
      if (location.pathname !== path) history.pushState(null, '', path);
      display(conversation);
    };
    return {
      stop,
      ask(text: string, parent: string | null = latest.current.leaf) {
        const question = text.trim();
        if (!question || isUnderWay(branch(latest.current).at(-1))) return;
        const ids: [string, string] = [crypto.randomUUID(), crypto.randomUUID()];
        const next = reduce(latest.current, { type: 'ask', text: question, parent, ids, at: Date.now() });
        if (addressed() !== next.id) history.pushState(null, '', `/c/${next.id}`);
        void answer(next, ...ids);
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
          if (conversation) turnTo(settled(conversation), `/c/${id}`);
        });
      },
      show(version: Message) {
        display(reduce(latest.current, { type: 'show', id: version.id }));
        void save(latest.current);
      },
      rename(id: string, title: string) {
        if (!title.trim()) return;
        const action = { type: 'rename', title: title.trim() } as const;
        if (id === latest.current.id) display(reduce(latest.current, action));
        void relist().then((found) => {
          const conversation = id === latest.current.id ? latest.current : found.find((each) => each.id === id);
          if (conversation) void save(reduce(conversation, action));
        });
      },
      remove(id: string) {
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
            await save(again);
            if (id === shown.id) turnTo(settled(again), `/c/${id}`);
          });
      },
      add(conversation: Conversation) {
        void save(conversation);
        turnTo(conversation, `/c/${conversation.id}`);
      },
      async wipe() {
        await keeping.current?.wipe();
        await relist();
        turnTo(begun(), '/');
      },
    };
  }, []);

  const messages = useMemo(() => branch(open), [open]);
  return { open, messages, busy: isUnderWay(messages.at(-1)), kept, keeps: store === undefined ? null : store !== null, ...actions };
}

function begun(): Conversation {
  return fresh(crypto.randomUUID(), Date.now());
}

/** The conversation that the page's address names. */
function addressed(): string | null {
  return /^\/c\/([\w-]+)$/.exec(location.pathname)?.[1] ?? null;
}

function stateOf(failure: Failure, text: string): Message['state'] {
  if (text) return 'interrupted';
  return failure.retryAt ? 'limited' : 'failed';
}
