// @ts-check
/** Gives each test a scope of its own in a running `dress-rehearsal up`: no test sees another test's answers. */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { test as base, request as requests } from '@playwright/test';

export { expect } from '@playwright/test';

/** The control routes of one mock, for one scope. */
class Control {
  /** @param {import('@playwright/test').APIRequestContext} request @param {string} url */
  constructor(request, url) {
    this.request = request;
    this.url = url;
    /** @type {Record<string, string>} */
    this.headers = {};
    this.scope = '';
  }

  /** @param {string} method @param {string} route @param {{data?: unknown, params?: Record<string, string | number | boolean>}} [options] */
  async ask(method, route, options = {}) {
    const headers = { ...this.headers, ...(method === 'GET' ? {} : { 'x-mockserver-token': tokenOf(this.url) }) };
    let answer;
    try {
      answer = await this.request.fetch(`${this.url}/__admin/${route}`, { method, headers, ...options });
    } catch (error) {
      throw new Error(`No mock answers at ${this.url}. Start it: dress-rehearsal up; another address: MODEL_URL or use.modelUrl.`, {
        cause: error,
      });
    }
    const text = await answer.text();
    const json = answer.headers()['content-type']?.includes('json') ? JSON.parse(text) : undefined;
    if (!answer.ok()) throw new Error(json?.error ?? `${method} ${route}: ${answer.status()} ${text}`);
    return json ?? text;
  }
}

/** The token of the mock at an address: whoever may read its file may tell it what to do. @param {string} url */
function tokenOf(url) {
  if (process.env.DRESS_REHEARSAL_TOKEN) return process.env.DRESS_REHEARSAL_TOKEN;
  const state = process.env.XDG_STATE_HOME || join(homedir(), '.local', 'state');
  const file = join(state, 'dress-rehearsal', `token-${new URL(url).port}`);
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    throw new Error(`There is no token of a mock at ${url}: no file ${file}. Is it running, as this user? In a container: DRESS_REHEARSAL_TOKEN.`);
  }
}

/** @param {Control} control @returns {import('./index.d.ts').Say} */
function sayOf(control) {
  return async (/** @type {any} */ first, /** @type {any[]} */ ...rest) => {
    let stubs = [first, ...rest];
    if (typeof first === 'string') {
      const { to, ...more } = rest[0] ?? {};
      stubs = [{ say: first, ...(to !== undefined && { when: { prompt: to } }), ...more }];
    }
    await control.ask('POST', 'stubs', { data: stubs });
  };
}

/** @param {Control} control @returns {import('./index.d.ts').Hold} */
function holdOf(control) {
  return async (to) => {
    const data = to === undefined ? {} : typeof to === 'string' ? { to } : to;
    const { hold } = await control.ask('POST', 'holds', { data });
    const tell = (/** @type {object} */ order) => control.ask('POST', `holds/${hold}`, { data: order });
    return {
      step: async (pieces = 1) => (await tell({ step: pieces })).stepped,
      fault: async (kind) => void (await tell({ fault: kind })),
      release: async () => void (await tell({ release: true })),
      state: async () => (await control.ask('GET', 'holds')).find((/** @type {any} */ each) => each.hold === hold),
    };
  };
}

/** @param {Control} control @returns {import('./index.d.ts').Journal} */
function journalOf(control) {
  const own = () => ({ place: 'model', scope: control.scope });
  return {
    entries: (criteria = {}) => control.ask('GET', 'journal', { params: { ...own(), ...criteria } }),
    verify: async (times, criteria = {}) => {
      await control.ask('GET', 'journal/verify', { params: { times, within_s: 3, ...own(), ...criteria } });
    },
  };
}

/** What nothing has answered, in words; empty where all was. @param {Control} control */
async function missesOf(control) {
  const missed = await journalOf(control).entries({ decided_by: 'miss' });
  const words = [];
  for (const { number, target } of missed) {
    const { miss } = await control.ask('GET', `journal/${number}`);
    const differences = (miss?.differences ?? []).map(
      (/** @type {any} */ each) => `  ${each.field}: recorded ${each.expected}, asked ${each.got}`,
    );
    words.push(`Nothing answers POST ${target}${miss?.nearest ? `; the nearest is ${miss.nearest}:` : '.'}`, ...differences);
  }
  return words.join('\n');
}

/** @type {any} */
const fixtures = {
  modelUrl: [process.env.MODEL_URL ?? 'http://127.0.0.1:4281', { option: true }],
  misses: ['fail', { option: true }],
  _control: async (/** @type {any} */ { modelUrl, misses }, /** @type {any} */ use, /** @type {any} */ info) => {
    const request = await requests.newContext();
    const control = new Control(request, modelUrl);
    const { scope, headers } = await control.ask('POST', 'scopes', { data: {} });
    Object.assign(control, { scope, headers });
    try {
      await use(control);
      const missed = misses === 'fail' && info.status === info.expectedStatus ? await missesOf(control) : '';
      if (missed || info.status !== info.expectedStatus) {
        const body = await control.ask('GET', 'timeline', { params: { scope } });
        await info.attach('timeline', { body, contentType: 'text/html' });
      }
      if (missed) throw new Error(`${missed}\nAnswer it with say(…), or allow it: test.use({ misses: 'allow' }).`);
    } finally {
      control.headers = {};
      await control.ask('DELETE', `scopes/${scope}`).catch(() => {}); // a reset has closed it
      await request.dispose();
    }
  },
  rehearsal: async (/** @type {any} */ { _control }, /** @type {any} */ use) => {
    await use({
      headers: _control.headers,
      scenario: async (/** @type {string | null} */ chosen) => void (await _control.ask('POST', 'scenarios', { data: { chosen } })),
    });
  },
  say: async (/** @type {any} */ { _control }, /** @type {any} */ use) => use(sayOf(_control)),
  hold: async (/** @type {any} */ { _control }, /** @type {any} */ use) => use(holdOf(_control)),
  journal: async (/** @type {any} */ { _control }, /** @type {any} */ use) => use(journalOf(_control)),
  persona: async (/** @type {any} */ { browser, baseURL, contextOptions, _control }, /** @type {any} */ use) => {
    /** @type {import('@playwright/test').BrowserContext[]} */
    const contexts = [];
    await use(async (/** @type {string} */ name) => {
      const context = await browser.newContext({ ...contextOptions, baseURL, extraHTTPHeaders: _control.headers });
      contexts.push(context);
      const page = await context.newPage();
      await page.goto(`/.auth/login/aad?persona=${encodeURIComponent(name)}&post_login_redirect_uri=/`);
      return page;
    });
    await Promise.all(contexts.map((context) => context.close()));
  },
};

export const test = base.extend(fixtures);
