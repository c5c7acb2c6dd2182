/** Tests against `dress-rehearsal model`; MODEL_URL and MODEL_TOKEN are its address and token. */
import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'

const MODEL = process.env.MODEL_URL ?? 'http://127.0.0.1:4281'
process.env.OPENAI_BASE_URL = `${MODEL}/v1`
process.env.OPENAI_API_KEY = 'any'
const { answer } = await import('./answer.js')

async function control(path, body) {
  const headers = { 'content-type': 'application/json', 'x-mockserver-token': process.env.MODEL_TOKEN }
  const response = await fetch(`${MODEL}/__admin/${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
  if (!response.ok) throw new Error(await response.text())
}

beforeEach(() => control('reset', {}))

test('an answer grows', async () => {
  await control('stubs', [{ when: { prompt: 'Hi' }, say: 'Hello from a rehearsal' }])
  const seen = []
  assert.deepEqual(await answer('Hi', (text) => seen.push(text)), { text: 'Hello from a rehearsal', broken: false })
  assert.ok(seen.length > 2)
})

test('a rate-limited request is retried', async () => {
  await control('stubs', [{ say: 'There', fault: 'rate_limited', retry_after: '1s', times: 1 }, { say: 'There' }])
  assert.deepEqual(await answer('Hi'), { text: 'There', broken: false })
})

test('a broken connection keeps the text received so far', async () => {
  await control('stubs', [{ say: 'Lighthouses are tall', fault: 'dropped', after: 3 }])
  assert.deepEqual(await answer('Hi'), { text: 'Lighthouses are', broken: true })
})
