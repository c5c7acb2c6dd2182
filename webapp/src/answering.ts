/** One answer, from the question until it ends in a state: asked for, drawn with each frame, saved every two seconds. */
import { type complete, type Failure, isAbort, Problem, type Wire } from './completion';
import type { Config } from './config';
import { type Action, type Conversation, context, following, type Growth, grown, type Message, reduce } from './conversation';

const SAVED_EVERY_MS = 2000;

/** What an answer needs of the page and its browser. */
export interface AnswerSurroundings {
  complete: typeof complete;
  config: Promise<Config>;
  /** What somebody chose: the model, and a system prompt of their own. */
  chosen: () => { model: string; systemPrompt: string };
  /** Run it with the next frame, unless what is given back is called before. */
  frame: (run: () => void) => () => void;
  now: () => number;
  newId: () => string;
}

interface Heard {
  changed: (conversation: Conversation) => void;
  save: (conversation: Conversation) => Promise<void>;
}

export class Answering {
  readonly #around: AnswerSurroundings;
  readonly #heard: Heard;
  readonly #abort = new AbortController();
  #growth: Growth = { content: '' };
  /** Takes back that the growth is drawn with the next frame; null where it is drawn. */
  #cancel: (() => void) | null = null;
  #left = false;
  /** As it is now, with what came of the answer. */
  conversation: Conversation;
  readonly question: string;
  readonly id: string;

  /** Of `begin`, in which `question` is to be answered by the message `id`. */
  constructor(begin: Conversation, question: string, id: string, around: AnswerSurroundings, heard: Heard) {
    this.conversation = begin;
    this.question = question;
    this.id = id;
    this.#around = around;
    this.#heard = heard;
  }

  stop(): void {
    this.#abort.abort();
  }

  /** The page goes away. */
  leave(): void {
    this.#left = true;
    this.stop();
  }

  /** Save it with all that has come, drawn or not. */
  async save(): Promise<void> {
    this.#draw();
    await this.#heard.save(this.conversation);
  }

  apply(action: Action): Conversation {
    this.conversation = reduce(this.conversation, action);
    this.#heard.changed(this.conversation);
    return this.conversation;
  }

  /** Have its question answered, and saved; with `words`, which ask for it, what it has goes on. */
  async run(words?: string): Promise<void> {
    const { now, newId, frame, complete } = this.#around;
    const { question, id } = this;
    const [asked, request] = [this.conversation, newId()];
    const before = words === undefined ? undefined : asked.messages.find((message) => message.id === id);
    if (before) this.#growth = growthOf(before);
    let savedAt = now();
    this.apply({ type: 'begin', id, request });
    void this.save();
    try {
      const wire = [...context(asked, question), ...(before ? goingOn(before.content, words!) : [])];
      for await (const progress of complete(await this.#asked(wire), request, this.#abort.signal)) {
        if ('finish' in progress) this.apply({ type: 'finish', id, reason: progress.finish });
        else if ('usage' in progress) this.apply({ type: 'usage', id, usage: progress.usage });
        else {
          this.#growth = grown(this.#growth, before ? following(before, progress) : progress);
          this.#cancel ??= frame(() => this.#draw());
        }
        if (now() - savedAt < SAVED_EVERY_MS) continue;
        savedAt = now(); // here and not when it is drawn: a page in the background draws nothing
        void this.save();
      }
      await this.#end('done');
    } catch (error) {
      const some = this.#growth.content !== '';
      if (error instanceof Problem) await this.#end(some ? 'interrupted' : error.failure.retryAt ? 'limited' : 'failed', error.failure);
      else if (!isAbort(error)) {
        await this.#end('failed', failureOf('other', request));
        throw error;
      } else if (this.#left) await this.#end(some ? 'interrupted' : 'failed', failureOf('interrupted', ''));
      else await this.#end('stopped');
    }
  }

  async #end(state: Message['state'], failure?: Failure): Promise<void> {
    this.#draw();
    this.apply({ type: 'end', id: this.id, state, ...(failure && { failure }) });
    await this.save();
  }

  #draw(): void {
    if (!this.#cancel) return;
    this.#cancel();
    this.#cancel = null;
    this.apply({ type: 'grow', id: this.id, growth: this.#growth });
  }

  async #asked(messages: Wire[]) {
    const { delivery, models, system_prompt, limits } = await this.#around.config;
    const { model, systemPrompt } = this.#around.chosen();
    const own: Wire[] = system_prompt && systemPrompt ? [{ role: 'system', content: systemPrompt }] : [];
    return { messages: [...own, ...messages], delivery, mostBytes: limits.bytes, ...(models.includes(model) && { model }) };
  }
}

/** What an answer has, to go on with. */
function growthOf({ content, reasoning, tools, sources }: Message): Growth {
  return { content, reasoning, tools, sources };
}

function goingOn(content: string, words: string): Wire[] {
  return [
    { role: 'assistant', content },
    { role: 'user', content: words },
  ];
}

function failureOf(code: string, requestId: string): Failure {
  return { code, requestId, retryAt: null, filtered: [] };
}
