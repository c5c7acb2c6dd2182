/** One person's chats in one tab: which is open, which are kept, which are answered. Nothing here draws; `subscribe` tells of changes. */
import type { Address } from './address';
import { Answering, type AnswerSurroundings } from './answering';
import {
  type Action,
  type Attachment,
  branch,
  byAge,
  type Conversation,
  fresh,
  isUnderWay,
  type Message,
  type Rating,
  reduce,
  type Summary,
  settled,
  summary,
  turnOf,
} from './conversation';
import type { Loss, leave, openStore, Store, Word } from './store';
import type { Tabs } from './tabs';

export interface Snapshot {
  open: Conversation;
  /** The branch that is shown. */
  messages: Message[];
  busy: boolean;
  /** What is kept, the last changed first. */
  kept: Summary[];
  /** The chats that this tab answers in. */
  answering: ReadonlySet<string>;
  /** The chats whose answer came while another was open. */
  unread: ReadonlySet<string>;
  /** Whether this browser keeps conversations; null until that is known. */
  keeps: boolean | null;
  /** Why it keeps no more: there is no room, or what the store says. */
  trouble: 'full' | Loss | null;
  /** Whether the address names a conversation that is not here. */
  lost: boolean;
}

export const isBusy = ({ busy }: Snapshot): boolean => busy;

/** What the session needs of the page and its browser. */
export interface Surroundings extends AnswerSurroundings {
  openStore: typeof openStore;
  leave: typeof leave;
  address: Address;
  tabs: Tabs;
}

/** What a question may be asked with. */
export interface Asked {
  /** The answer that it follows, null where it begins the chat; without it, the last one. */
  parent?: string | null;
  attachments?: Attachment[];
}

export class Session {
  #now: Snapshot;
  readonly #listeners = new Set<(snapshot: Snapshot) => void>();
  readonly #around: Surroundings;
  /** Undefined until it is known whether there is one. */
  #store: Store | null | undefined;
  #user: string | null | undefined;
  /** The answers under way, by conversation. */
  readonly #running = new Map<string, Answering>();
  /** What was deleted, and must not be saved again by an answer that ends later. */
  readonly #gone = new Set<string>();
  /** What is not saved: there was no store yet, or no room, or the store was closed. Tried again when that changes, left behind when the page goes. */
  readonly #unsaved = new Map<string, Conversation>();
  /** The conversations whose end in another tab is waited for. */
  readonly #awaited = new Set<string>();

  constructor(around: Surroundings) {
    this.#around = around;
    const none = { kept: [], answering: new Set<string>(), unread: new Set<string>(), keeps: null, trouble: null, lost: false };
    this.#now = { open: this.#begun(), messages: [], busy: false, ...none };
  }

  get snapshot(): Snapshot {
    return this.#now;
  }

  /** Call back with each new state; what is given back ends that. */
  readonly subscribe = (heard: (snapshot: Snapshot) => void): (() => void) => {
    this.#listeners.add(heard);
    return () => this.#listeners.delete(heard);
  };

  /** Somebody is signed in, or nobody (null). The first one stays: somebody else's chats never follow in the same page. */
  async signedIn(user: string | null): Promise<void> {
    if (this.#user !== undefined && this.#user !== null) return;
    this.#user = user;
    if (user === null) this.#set({ keeps: false });
    else await this.#openStore(user);
  }

  async #openStore(user: string): Promise<void> {
    const store = await this.#around.openStore(user, (why) => this.#storeLost(user, why));
    if (!store && this.#store) return; // it was closed, and stays so
    this.#store = store;
    this.#set({ keeps: store !== null, trouble: null });
    if (!store) return this.#unsaved.clear();
    store.watch((word) => void this.#heard(word));
    if (this.#now.messages.length) void this.#save(this.#now.open); // where the browser has thrown it away
    this.#saveAgain();
    this.#set({ kept: await store.list() });
    await this.#refresh();
  }

  #storeLost(user: string, why: Loss): void {
    this.#set({ trouble: why });
    if (why === 'closed') void this.#openStore(user);
  }

  // --- what a person does ---

  /** Ask, unless there is nothing to ask or an answer is under way; whether it was asked. */
  ask(text: string, { parent = this.#now.open.leaf, attachments = [] }: Asked = {}): boolean {
    const question = text.trim();
    if ((!question && !attachments.length) || this.#now.busy) return false;
    const ids: [string, string] = [this.#around.newId(), this.#around.newId()];
    const action = { type: 'ask', text: question, attachments, parent, ids, at: this.#around.now() } as const;
    const next = reduce(this.#now.open, action);
    if (this.#around.address.get() !== next.id) this.#around.address.push(next.id);
    this.#set({ lost: false });
    void this.#answer(next, ...ids);
    return true;
  }

  regenerate(message: Message): void {
    if (this.#now.busy) return;
    const [id, question] = [this.#around.newId(), message.parent!];
    void this.#answer(reduce(this.#now.open, { type: 'again', question, id, at: this.#around.now() }), question, id);
  }

  /** Have the model go on with an answer that ended early, in the same place; `words` ask it to. */
  goOn(message: Message, words: string): void {
    if (!this.#now.busy) void this.#answer(this.#now.open, message.parent!, message.id, words);
  }

  stop(): void {
    const running = this.#running.get(this.#now.open.id);
    if (running) running.stop();
    else this.#store?.stop(this.#now.open.id); // another tab answers
  }

  start(): void {
    this.#turnTo(this.#begun(), null);
  }

  async choose(id: string): Promise<void> {
    if (id === this.#now.open.id) return;
    const running = this.#running.get(id);
    const conversation = await this.#find(id);
    if (!conversation) return;
    this.#turnTo(running ? conversation : settled(conversation), id);
    if (!running) await this.#adopt(conversation);
  }

  show(version: Message): void {
    void this.#save(this.#change(this.#now.open, { type: 'show', id: version.id }));
  }

  rate(message: Message, rating: Rating | undefined): void {
    void this.#save(this.#change(this.#now.open, { type: 'rate', id: message.id, rating }));
  }

  async rename(id: string, title: string): Promise<void> {
    if (title.trim()) await this.#edit(id, { type: 'rename', title: title.trim(), at: this.#around.now() });
  }

  async pin(id: string, pinned: boolean): Promise<void> {
    await this.#edit(id, { type: 'pin', pinned, at: this.#around.now() });
  }

  /** Remove one; what is given back brings it back. */
  remove(id: string): () => Promise<void> {
    const shown = this.#now.open.id === id;
    const answering = this.#running.get(id);
    const found = shown ? this.#now.open : undefined;
    this.#gone.add(id);
    answering?.stop();
    const removed = (async () => {
      const kept = found ?? (await this.#find(id));
      this.#unsaved.delete(id);
      await this.#store?.remove(id);
      this.#saveAgain(); // there may be room now
      return kept;
    })();
    this.#set({ kept: this.#now.kept.filter((each) => each.id !== id) });
    if (shown) this.start();
    return async () => {
      const kept = await removed;
      const again = answering?.conversation ?? kept;
      this.#gone.delete(id);
      if (!again) return;
      await this.#save(settled(again));
      if (shown) this.#turnTo(settled(again), id);
    };
  }

  /** Take one in and show it. */
  add(conversation: Conversation): void {
    void this.#save(conversation);
    this.#turnTo(conversation, conversation.id);
  }

  async wipe(): Promise<void> {
    for (const [id, answering] of this.#running) {
      this.#gone.add(id);
      answering.stop();
    }
    this.#gone.add(this.#now.open.id);
    this.#unsaved.clear();
    this.start();
    await this.#store?.wipe();
    this.#set({ kept: [], unread: new Set() });
  }

  // --- what the browser tells ---

  /** The address has changed by a step back or forth. */
  async moved(): Promise<void> {
    const id = this.#around.address.get();
    if (id === this.#now.open.id) return; // a jump within the page
    if (id === null) this.#display(this.#begun());
    else {
      const running = this.#running.get(id);
      const found = await this.#find(id);
      if (running) this.#display(running.conversation);
      else if (found) await this.#adopt(found);
      else this.#display(this.#begun());
    }
    this.#read(this.#now.open.id);
  }

  /** The page is hidden and may never come back: what is on the screen is kept. */
  hidden(): void {
    for (const answering of this.#running.values()) void answering.save();
  }

  /** The page goes away, and its answers with it. */
  left(): void {
    this.hidden(); // which draws what came
    const unsaved = [...this.#unsaved.values()].map((conversation) => this.#running.get(conversation.id)?.conversation ?? conversation);
    // Ended or not: WebKit cuts an answer before it says that the page goes away, and what is saved then is not written any more.
    const growing = [...this.#running.values()].flatMap(({ conversation, id }) =>
      this.#unsaved.has(conversation.id) ? [] : turnOf(conversation, id),
    );
    if (this.#user && this.#store !== null) this.#around.leave(this.#user, [...unsaved, ...growing]);
    for (const answering of this.#running.values()) answering.leave();
  }

  // --- answers ---

  /** Have a question answered as message `id`; with `words`, what that message has goes on. */
  async #answer(begin: Conversation, question: string, id: string, words?: string): Promise<void> {
    const release = this.#around.tabs.hold(begin.id);
    const answering = new Answering(begin, question, id, this.#around, {
      changed: (conversation) => conversation.id === this.#now.open.id && this.#display(conversation),
      save: (conversation) => this.#save(conversation),
    });
    this.#running.set(begin.id, answering);
    this.#set({ answering: new Set(this.#running.keys()) });
    try {
      await answering.run(words);
    } finally {
      this.#running.delete(begin.id); // not before it is saved: until then, what is kept is behind what is shown
      const unread = begin.id !== this.#now.open.id && !this.#gone.has(begin.id);
      this.#set({ answering: new Set(this.#running.keys()), ...(unread && { unread: new Set(this.#now.unread).add(begin.id) }) });
      release();
    }
  }

  // --- other tabs ---

  async #heard({ what, id }: Word): Promise<void> {
    if (what === 'stop') this.#running.get(id!)?.stop();
    else if (what === 'removed') this.#forget(id);
    else {
      this.#gone.delete(id!); // brought back
      const found = await this.#stored(id!);
      if (!found) return;
      this.#list(found);
      const { title, named, pinned } = found;
      const running = this.#running.get(found.id);
      if (running) running.apply({ type: 'kept', title, named, pinned });
      else if (found.id === this.#now.open.id) await this.#adopt(found);
    }
  }

  /** Somebody deleted it, or all of them (null). */
  #forget(id: string | null): void {
    for (const [each, answering] of this.#running) {
      if (id !== null && id !== each) continue;
      this.#gone.add(each);
      answering.stop();
    }
    if (id === null) this.#unsaved.clear();
    else this.#unsaved.delete(id);
    this.#set({ kept: id === null ? [] : this.#now.kept.filter((each) => each.id !== id) });
    if (id !== null && id !== this.#now.open.id) return;
    this.#gone.add(this.#now.open.id);
    this.#store?.remove(this.#now.open.id).catch(() => undefined); // a save of ours may have been under way
    this.#around.address.replace(null);
    this.#display(this.#begun());
  }

  /** Show it as it is kept. While another tab answers in it, it is under way here too, until that tab ends or goes. */
  async #adopt(found: Conversation): Promise<void> {
    const before = this.#now.open;
    const elsewhere = await this.#around.tabs.isHeld(found.id);
    if (this.#running.has(found.id) || this.#now.open !== before) return; // somebody was faster
    this.#display(elsewhere ? found : settled(found));
    if (elsewhere && !this.#awaited.has(found.id)) void this.#await(found.id);
  }

  /** Until the other tab has ended its answer; then it is as that tab left it. */
  async #await(id: string): Promise<void> {
    this.#awaited.add(id);
    await this.#around.tabs.free(id);
    this.#awaited.delete(id);
    const ended = await this.#stored(id);
    if (ended && id === this.#now.open.id) await this.#adopt(ended);
  }

  /** Show what the address names, once the store is there. */
  async #refresh(): Promise<void> {
    const wanted = this.#around.address.get();
    const before = this.#now.open;
    if (!wanted || before.messages.length) return;
    const found = await this.#find(wanted);
    if (this.#now.open !== before) return;
    if (found) return this.#adopt(found);
    this.#around.address.replace(null);
    this.#set({ lost: true });
  }

  // --- the state ---

  #begun(): Conversation {
    return fresh(this.#around.newId(), this.#around.now());
  }

  #turnTo(conversation: Conversation, id: string | null): void {
    if (this.#around.address.get() !== id) this.#around.address.push(id);
    this.#set({ lost: false });
    this.#display(conversation);
    this.#read(conversation.id);
  }

  #read(id: string): void {
    if (!this.#now.unread.has(id)) return;
    const unread = new Set(this.#now.unread);
    unread.delete(id);
    this.#set({ unread });
  }

  #display(open: Conversation): void {
    const messages = branch(open);
    this.#set({ open, messages, busy: isUnderWay(messages.at(-1)) });
  }

  /** The conversation with what was done to it, shown where it is open. */
  #change(conversation: Conversation, action: Action): Conversation {
    const running = this.#running.get(conversation.id);
    if (running) return running.apply(action);
    const changed = reduce(conversation, action);
    if (changed.id === this.#now.open.id) this.#display(changed);
    return changed;
  }

  async #edit(id: string, action: Action): Promise<void> {
    const { open } = this.#now;
    const conversation = this.#running.get(id)?.conversation ?? (id === open.id ? open : await this.#find(id));
    if (conversation) await this.#save(this.#change(conversation, action));
  }

  /** Where it has come furthest: under way, not saved, or kept. */
  async #find(id: string): Promise<Conversation | undefined> {
    return this.#running.get(id)?.conversation ?? this.#unsaved.get(id) ?? (await this.#stored(id));
  }

  /** As it is kept; undefined also where the store is closed, which has been said. */
  async #stored(id: string): Promise<Conversation | undefined> {
    return this.#store?.get(id).catch(() => undefined);
  }

  async #save(conversation: Conversation): Promise<void> {
    const { id } = conversation;
    if (this.#gone.has(id) || this.#store === null) return;
    const before = this.#unsaved.get(id);
    try {
      if (!this.#store) return void this.#unsaved.set(id, conversation); // not known yet who asks, or an older page is in the way
      const kept = await this.#store.save(conversation);
      if (this.#unsaved.get(id) === before) this.#unsaved.delete(id); // else a later save has failed sooner
      if (this.#gone.has(id))
        await this.#store.remove(id); // deleted meanwhile
      else this.#list(kept);
      if (this.#now.trouble === 'full' && !this.#unsaved.size) this.#set({ trouble: null });
    } catch {
      if (this.#gone.has(id)) return;
      this.#unsaved.set(id, conversation);
      this.#list(conversation);
      this.#set({ trouble: this.#now.trouble ?? 'full' });
    }
  }

  #saveAgain(): void {
    for (const conversation of this.#unsaved.values()) void this.#save(conversation);
  }

  /** Put it where it belongs in the list. */
  #list(conversation: Conversation): void {
    const others = this.#now.kept.filter(({ id }) => id !== conversation.id);
    this.#set({ kept: [summary(conversation), ...others].sort(byAge) });
  }

  #set(changed: Partial<Snapshot>): void {
    this.#now = { ...this.#now, ...changed };
    for (const heard of this.#listeners) heard(this.#now);
  }
}
