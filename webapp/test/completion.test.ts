import { afterEach, expect, test, vi } from 'vitest';
import { complete, Problem, type Progress, type Question } from '../src/completion';

const QUESTION: Question = { messages: [{ role: 'user', content: 'Hi' }], delivery: 'streamed', mostBytes: 1000 };
const text = (content: string) => `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`;
const FINISH = 'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n';
const DONE = 'data: [DONE]\n\n';

afterEach(() => vi.unstubAllGlobals());

function answers(body: BodyInit | null, init: ResponseInit & { type?: string } = {}): void {
  const headers = { 'content-type': 'text/event-stream', ...(init.headers as object) };
  vi.stubGlobal('fetch', () => Promise.resolve(new Response(body, { ...init, headers })));
}

const hex = (digest: ArrayBuffer) => Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');

/** The body in pieces of so many bytes. */
function inPieces(whole: string, size: number): ReadableStream<Uint8Array> {
  const bytes = new TextEncoder().encode(whole);
  return new ReadableStream({
    start(controller) {
      for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.slice(at, at + size));
      controller.close();
    },
  });
}

async function all(question = QUESTION): Promise<Progress[]> {
  const found: Progress[] = [];
  for await (const progress of complete(question, 'r1', new AbortController().signal)) found.push(progress);
  return found;
}

async function failure(question = QUESTION) {
  const raised = await all(question).catch((error: unknown) => error);
  expect(raised).toBeInstanceOf(Problem);
  return (raised as Problem).failure;
}

test.each([1, 2, 7, 10_000])('a stream says the same in pieces of %i bytes', async (size) => {
  const azure = 'data: {"choices":[],"prompt_filter_results":[]}\n\n';
  const usage = 'data: {"choices":[],"usage":{"total_tokens":3}}\n\n';
  answers(inPieces(`: open\n\n${azure}${text('Zoë ')}: ping\r\n\r\n${text('日本')}${FINISH}${usage}${DONE}`, size));
  const said = await all();
  expect(said).toEqual([{ text: 'Zoë ' }, { text: '日本' }, { finish: 'stop' }, { usage: { total_tokens: 3 } }]);
});

test('a JSON answer says the same as a stream', async () => {
  const body = { choices: [{ message: { content: 'Hi' }, finish_reason: 'stop' }], usage: { total_tokens: 3 } };
  answers(JSON.stringify(body), { headers: { 'content-type': 'application/json' } });
  expect(await all()).toEqual([{ text: 'Hi' }, { finish: 'stop' }, { usage: { total_tokens: 3 } }]);
});

test('a stream that ends without a reason was interrupted', async () => {
  answers(text('Half') + DONE);
  expect((await failure()).code).toBe('interrupted');
});

test('an error in the stream is the failure', async () => {
  answers(`${text('Half')}data: {"error":{"code":"upstream_timeout"}}\n\n${DONE}`);
  expect((await failure()).code).toBe('upstream_timeout');
});

test.each([
  [401, 'application/json', '{}', 'signed_out'],
  [403, 'text/html', '<h1>No</h1>', 'forbidden'],
  [200, 'text/html', '<h1>Sign in</h1>', 'signed_out'],
  [502, 'text/plain', 'Bad gateway', 'http_502'],
  [500, 'application/json', '{broken', 'http_500'],
])('%i %s means %s', async (status, type, body, code) => {
  answers(body, { status, headers: { 'content-type': type } });
  expect((await failure()).code).toBe(code);
});

test('an error says when to ask again and what the filter found', async () => {
  const results = { hate: { filtered: false }, self_harm: { filtered: true, severity: 'medium' }, jailbreak: { filtered: true } };
  const error = { code: 'content_filter', innererror: { content_filter_result: results } };
  answers(JSON.stringify({ error }), { status: 429, headers: { 'content-type': 'application/json', 'retry-after': '23' } });
  const { filtered, retryAt } = await failure();
  expect(filtered).toEqual([
    ['self_harm', 'medium'],
    ['jailbreak', ''],
  ]);
  expect(Math.round((retryAt! - Date.now()) / 1000)).toBe(23);
});

test('a network that is not there is a failure of its own', async () => {
  vi.stubGlobal('fetch', () => Promise.reject(new TypeError('network error')));
  expect((await failure()).code).toBe('network');
});

test('a direct question goes where its ticket leads, with the digest of what is sent', async () => {
  const asked: [string, RequestInit][] = [];
  vi.stubGlobal('fetch', (url: string, init: RequestInit) => {
    asked.push([url, init]);
    const ticket = { ticket: 't', url: 'https://direct.example/ask', expires_in: 90 };
    if (url === '/api/chat/ticket') return Promise.resolve(Response.json(ticket));
    return Promise.resolve(new Response(text('Hi') + FINISH + DONE, { headers: { 'content-type': 'text/event-stream' } }));
  });
  await all({ ...QUESTION, delivery: 'direct' });
  const [[, first], [url, second]] = asked as [[string, RequestInit], [string, RequestInit]];
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(second.body as string));
  expect(JSON.parse(first.body as string).sha256).toBe(hex(digest));
  expect([url, (second.headers as Record<string, string>)['x-chat-ticket']]).toEqual(['https://direct.example/ask', 't']);
});

test('a direct app that refuses the ticket does not mean that the session has ended', async () => {
  vi.stubGlobal('fetch', (url: string) => {
    if (url.startsWith('/')) return Promise.resolve(Response.json({ ticket: 't', url: 'https://direct.example/ask' }));
    return Promise.resolve(Response.json({ error: { code: 'ticket_refused' } }, { status: 401 }));
  });
  expect((await failure({ ...QUESTION, delivery: 'direct' })).code).toBe('ticket_refused');
});

test('where a proxy loses a whole stream, the answer is asked for in one piece, from then on at once', async () => {
  const asked: boolean[] = [];
  vi.stubGlobal('fetch', (_: string, init: RequestInit) => {
    const { stream } = JSON.parse(init.body as string);
    asked.push(stream);
    if (stream) return Promise.resolve(new Response(DONE, { headers: { 'content-type': 'text/event-stream' } }));
    return Promise.resolve(Response.json({ choices: [{ message: { content: 'Hi' }, finish_reason: 'stop' }] }));
  });
  expect(await all()).toEqual([{ text: 'Hi' }, { finish: 'stop' }]);
  await all();
  expect(asked).toEqual([true, false, false]);
});

const chunk = (delta: object, finish_reason: string | null = null) =>
  `data: ${JSON.stringify({ choices: [{ delta, finish_reason }] })}\n\n`;

test('thoughts, tools, sources and refusals come as such', async () => {
  const call = { index: 0, id: 'c', function: { name: 'look', arguments: '{"a' } };
  const more = { index: 0, function: { arguments: '":1}' } };
  const web = { type: 'url_citation', url_citation: { title: 'T', url: 'https://e.example/', start_index: 0, end_index: 2 } };
  const own = { citations: [{ title: null, filepath: 'a.md', url: null, content: 'C' }] };
  const said = [{ reasoning_content: 'Hm' }, { tool_calls: [call] }, { tool_calls: [more] }, { annotations: [web] }, { context: own }];
  answers(said.map((delta) => chunk(delta)).join('') + chunk({ refusal: 'No.' }) + chunk({}, 'stop') + DONE);
  expect(await all()).toEqual([
    { reasoning: 'Hm' },
    { tool: { index: 0, name: 'look', arguments: '{"a' } },
    { tool: { index: 0, name: '', arguments: '":1}' } },
    { sources: [{ title: 'T', url: 'https://e.example/', quote: '', at: 2 }] },
    { sources: [{ title: 'a.md', url: '', quote: 'C', at: null }] },
    { text: 'No.' },
    { finish: 'refusal' },
  ]);
});

test('what came before a broken event, in the same piece, is kept', async () => {
  answers(`${text('Good')}data: {broken\n\n${text('never')}`);
  const said: Progress[] = [];
  const read = async () => {
    for await (const progress of complete(QUESTION, 'r1', new AbortController().signal)) said.push(progress);
  };
  await expect(read()).rejects.toThrow('interrupted');
  expect(said).toEqual([{ text: 'Good' }]);
});

test.each([
  ['nothing', null, 204, ''],
  ['a page', '<p>Sign in</p>', 200, 'text/html'],
])('%s in place of an answer', async (what, body, status, type) => {
  answers(body, { status, headers: { 'content-type': type } });
  expect((await failure()).code).toBe(what === 'a page' ? 'signed_out' : 'interrupted');
});

test('what is longer than the API takes is not sent', async () => {
  const asked = vi.fn();
  vi.stubGlobal('fetch', asked);
  const content = 'é'.repeat(QUESTION.mostBytes / 2);
  expect((await failure({ ...QUESTION, messages: [{ role: 'user', content }] })).code).toBe('too_large');
  expect(asked).not.toHaveBeenCalled();
});
