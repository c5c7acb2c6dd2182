/** Asks our API for a chat completion; streamed, buffered or plain JSON make no difference to the caller. */
import { createParser } from 'eventsource-parser';

/** A message as the API takes it. */
export interface Wire {
  role: 'user' | 'assistant' | 'system';
  content: string | Part[];
}

export type Part = { type: 'text'; text: string } | { type: 'image_url'; image_url: { url: string } };

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
}

/** Why there is no answer, or not all of it. The codes are the API's; `signed_out`, `network` and `interrupted` are ours, and `too_large` may be. */
export interface Failure {
  code: string;
  requestId: string;
  /** When to ask again, in milliseconds since 1970, where the API says. */
  retryAt: number | null;
  /** What the content filter found: categories, each with how much where it says. */
  filtered: [category: string, severity: string][];
}

export class Problem extends Error {
  readonly failure: Failure;
  constructor(code: string, requestId: string, more: Partial<Failure> = {}) {
    super(code);
    this.failure = { code, requestId, retryAt: null, filtered: [], ...more };
  }
}

/** A function that the model asks for; its arguments are JSON as the model wrote it. */
export interface ToolCall {
  name: string;
  arguments: string;
}

/** What an answer rests on. */
export interface Source {
  title: string;
  /** Where it is, an http address; empty where it has none. */
  url: string;
  /** The passage; empty where the API gives none. */
  quote: string;
  /** Where in the answer it belongs, as an offset; null where the answer says so itself, as `[doc1]`. */
  at: number | null;
}

/** What the model wrote next, thought, asked for or names as a source; why it stopped, or what it took. */
export type Progress =
  | { text: string }
  | { reasoning: string }
  | { tool: ToolCall & { index: number } }
  | { sources: Source[] }
  | { finish: string }
  | { usage: Usage };

/** What to ask, of which model, and how answers reach the page: through the site, or straight from where a ticket leads. */
export interface Question {
  messages: Wire[];
  model?: string;
  delivery: 'streamed' | 'buffered' | 'direct';
  /** What is longer is not sent. */
  mostBytes: number;
}

/** Whether a proxy on the way lost a whole stream; from then on answers are asked for in one piece. */
let streamsAreLost = false;

/** The answer as it comes. Throws a Problem, or an AbortError after `signal`. `requestId` is what the API's log calls it. */
export async function* complete(question: Question, requestId: string, signal: AbortSignal): AsyncGenerator<Progress> {
  const { messages, model, delivery, mostBytes } = question;
  const how = streamsAreLost ? { stream: false } : { stream: true, stream_options: { include_usage: true } };
  const body = JSON.stringify({ messages, model, ...how });
  if (new Blob([body]).size > mostBytes) throw new Problem('too_large', requestId);
  const { url, headers } = delivery === 'direct' ? await ticket(body, requestId, signal) : COMPLETIONS;
  const response = await post(url, body, { accept: 'text/event-stream', ...headers }, requestId, signal);
  if (isJson(response)) {
    const whole = await json(response);
    const choice = whole?.choices?.[0];
    if (!choice?.message) throw new Problem('interrupted', requestId);
    yield* said(choice.message, choice.message.refusal ? 'refusal' : choice.finish_reason);
    if (whole.usage) yield { usage: whole.usage };
    return;
  }
  if (!response.body || !isType(response, 'text/event-stream')) {
    throw new Problem(isType(response, 'text/html') ? 'signed_out' : 'interrupted', requestId); // a page in place of an answer
  }
  let [begun, finished] = [false, false];
  for await (const progress of parsed(response.body, requestId)) {
    begun = true;
    finished ||= 'finish' in progress;
    yield progress;
  }
  if (!begun && !streamsAreLost) {
    streamsAreLost = true; // Source: Azure/static-web-apps#833, only `[DONE]` arrived
    yield* complete(question, requestId, signal);
  } else if (!finished) throw new Problem('interrupted', requestId);
}

interface Target {
  url: string;
  headers: Record<string, string>;
}

/** Tell the API what somebody thinks of an answer; without a word of it. Whether the API took it. */
export async function rate(requestId: string, rating: 'up' | 'down', reason: string): Promise<boolean> {
  const body = JSON.stringify({ request_id: requestId, rating, reason });
  return post('/api/chat/feedback', body, {}, crypto.randomUUID(), new AbortController().signal).then(
    () => true,
    () => false,
  );
}

const COMPLETIONS: Target = { url: '/api/chat/completions', headers: {} };

/** Where this one question may be asked directly, and the ticket that opens it. */
async function ticket(body: string, requestId: string, signal: AbortSignal): Promise<Target> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(body));
  const sha256 = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
  const response = await post('/api/chat/ticket', JSON.stringify({ sha256 }), {}, requestId, signal);
  const given = isJson(response) ? await json(response) : null;
  if (!given?.ticket) throw new Problem('signed_out', requestId);
  return { url: given.url, headers: { 'x-chat-ticket': given.ticket } };
}

async function post(url: string, body: string, headers: Record<string, string>, requestId: string, signal: AbortSignal): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, {
      method: 'POST',
      redirect: 'manual', // an expired session is a redirect to the sign-in page, not an answer
      headers: { 'content-type': 'application/json', 'x-request-id': requestId, ...headers },
      body,
      signal,
    });
  } catch (error) {
    throw isAbort(error) ? error : new Problem('network', requestId);
  }
  const here = url.startsWith('/'); // an app elsewhere knows nothing of the session
  if (response.type === 'opaqueredirect' || (here && response.status === 401)) throw new Problem('signed_out', requestId);
  if (response.ok) return response;
  const error = isJson(response) ? (await json(response))?.error : null;
  // The gate's own 403 is a page; the API's is JSON.
  const code = error?.code ?? (response.status === 403 ? 'forbidden' : `http_${response.status}`);
  throw new Problem(code, requestId, { retryAt: retryAt(response, code), filtered: filtered(error) });
}

const USUAL_WAIT_S = 10;

/** When a limit ends: as the API says it, which it says in seconds. */
function retryAt(response: Response, code: string): number | null {
  const seconds = Number(response.headers.get('retry-after'));
  if (!seconds && code !== 'rate_limit_exceeded') return null;
  return Date.now() + (seconds || USUAL_WAIT_S) * 1000;
}

/** The categories that the content filter objected to, each with how much. */
function filtered(error: any): Failure['filtered'] {
  const found = Object.entries<any>(error?.innererror?.content_filter_result ?? {}).filter(([, each]) => each?.filtered);
  return found.map(([name, { severity }]) => [name, severity ?? '']);
}

/** What a message says, or the next piece of one; a refusal is text that ends in its own way. */
function* said(message: any, finish: string | null): Generator<Progress> {
  if (message?.reasoning_content) yield { reasoning: message.reasoning_content };
  if (message?.content) yield { text: message.content };
  if (message?.refusal) yield { text: message.refusal };
  for (const [index, call] of (message?.tool_calls ?? []).entries()) {
    const { name = '', arguments: written = '' } = call.function ?? {};
    yield { tool: { index: call.index ?? index, name: name ?? '', arguments: written ?? '' } };
  }
  const sources = [...cited(message?.annotations), ...retrieved(message?.context?.citations)];
  if (sources.length) yield { sources };
  if (finish) yield { finish };
}

/** Source: OpenAI's annotations of a message. */
function cited(annotations: any): Source[] {
  const found = (Array.isArray(annotations) ? annotations : []).map((each) => each?.url_citation).filter(Boolean);
  return found.map(({ title, url, end_index }) => ({ title: title || url || '', url: url ?? '', quote: '', at: end_index ?? null }));
}

/** Source: Azure OpenAI On Your Data, whose answers name their documents as `[doc1]`. */
function retrieved(citations: any): Source[] {
  const found: any[] = Array.isArray(citations) ? citations : [];
  return found.map(({ title, filepath, url, content }) => ({
    title: title || filepath || url || '',
    url: url ?? '',
    quote: content ?? '',
    at: null,
  }));
}

async function* parsed(body: ReadableStream<Uint8Array>, requestId: string): AsyncGenerator<Progress> {
  const waiting: Progress[] = [];
  let failure: Problem | null = null;
  let refused = false;
  const parser = createParser({
    onEvent(event) {
      if (event.data === '[DONE]' || failure) return;
      const chunk = chunkOf(event.data);
      if (!chunk) failure = new Problem('interrupted', requestId);
      else if (chunk.error) failure = new Problem(chunk.error.code ?? 'interrupted', requestId, { filtered: filtered(chunk.error) });
      if (chunk?.usage) waiting.push({ usage: chunk.usage });
      // Azure's first chunk and the one with usage have no choices, and its annotations no delta.
      const choice = chunk?.choices?.[0];
      refused ||= Boolean(choice?.delta?.refusal);
      if (choice) waiting.push(...said(choice.delta, choice.finish_reason && (refused ? 'refusal' : choice.finish_reason)));
    },
  });
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      parser.feed(value);
      yield* waiting.splice(0);
      if (failure) throw failure;
    }
  } catch (error) {
    throw isAbort(error) || error instanceof Problem ? error : new Problem('interrupted', requestId);
  } finally {
    void reader.cancel().catch(() => undefined);
  }
}

/** An event's JSON; null where it is none. */
function chunkOf(data: string): any {
  try {
    return JSON.parse(data);
  } catch {
    return null;
  }
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}

/** The body where it is JSON, else null: an answer may break off anywhere. */
async function json(response: Response): Promise<any> {
  try {
    return await response.json();
  } catch (error) {
    if (isAbort(error)) throw error;
    return null;
  }
}

function isJson(response: Response): boolean {
  return isType(response, 'application/json');
}

function isType(response: Response, type: string): boolean {
  return response.headers.get('content-type')?.startsWith(type) ?? false;
}
