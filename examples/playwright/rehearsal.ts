/** Gives each test its own scope in a running `dress-rehearsal up`: no test sees another test's answers. */

import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { test as base, type APIRequestContext, type Page } from '@playwright/test'

const MODEL = process.env.MODEL_URL ?? 'http://127.0.0.1:4281'
const STATE = process.env.XDG_STATE_HOME || join(homedir(), '.local', 'state')
const TOKEN = readFileSync(join(STATE, 'dress-rehearsal', `token-${new URL(MODEL).port}`), 'utf8')

/** One entry of a scenario: `{ say: 'Hi', when: { prompt: 'Hello' } }`, `{ fault: 'overloaded', times: 2 }`. */
export type Stub = Record<string, unknown>

export class Rehearsal {
  constructor(
    private readonly request: APIRequestContext,
    readonly scope: string,
    readonly headers: Record<string, string>,
  ) {}

  /** Adds answers for this test's requests. */
  async say(...stubs: Stub[]) {
    await call(this.request, 'stubs', stubs, this.headers)
  }

  /** Lays a scenario over the cassettes, only for this test. */
  async scenario(chosen: string | null) {
    await call(this.request, 'scenarios', { chosen }, this.headers)
  }

  /** Fails unless exactly `times` exchanges of this test match the criteria; the error shows the others. */
  async verify(times: number, criteria: Record<string, string | number> = {}) {
    const params = { times, within_s: 3, place: 'model', scope: this.scope, ...criteria }
    const answer = await this.request.get(`${MODEL}/__admin/journal/verify`, { params })
    if (!answer.ok()) throw new Error((await answer.json()).error)
  }
}

export const test = base.extend<{ rehearsal: Rehearsal; pageAs: (persona: string) => Promise<Page> }>({
  rehearsal: async ({ request }, use, info) => {
    const { scope, headers } = await (await call(request, 'scopes', {})).json()
    await use(new Rehearsal(request, scope, headers))
    if (info.error !== undefined) {
      const page = await request.get(`${MODEL}/__admin/timeline`, { params: { scope } })
      await info.attach('timeline', { body: await page.body(), contentType: 'text/html' })
    }
    await request.delete(`${MODEL}/__admin/scopes/${scope}`, { headers: { 'x-mockserver-token': TOKEN } })
  },
  pageAs: async ({ browser, baseURL, rehearsal }, use) => {
    const contexts = []
    await use(async (persona) => {
      const context = await browser.newContext({ baseURL, extraHTTPHeaders: rehearsal.headers })
      contexts.push(context)
      const page = await context.newPage()
      await page.goto(`/.auth/login/aad?persona=${persona}&post_login_redirect_uri=/`)
      return page
    })
    await Promise.all(contexts.map((context) => context.close()))
  },
})

async function call(request: APIRequestContext, route: string, data: unknown, headers: Record<string, string> = {}) {
  const answer = await request.post(`${MODEL}/__admin/${route}`, {
    data,
    headers: { 'x-mockserver-token': TOKEN, ...headers },
  })
  if (!answer.ok()) throw new Error(`${route}: ${answer.status()} ${await answer.text()}`)
  return answer
}
