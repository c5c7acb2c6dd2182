import type { Page } from '@playwright/test'
import { expect, test } from 'dress-rehearsal-playwright'

const QUESTION = 'Tell me about lighthouses'

async function ask(page: Page) {
  await page.getByRole('textbox', { name: 'Message' }).fill(QUESTION)
  await page.getByRole('button', { name: 'Send', exact: true }).click()
  return page.getByRole('article', { name: 'Assistant said' }).last()
}

// The same question at the same time, on one server.
for (const number of [1, 2, 3, 4]) {
  test(`each test gets its own answer, ${number}`, async ({ say, journal, persona }) => {
    await say(`Lighthouse number ${number}`, { to: QUESTION })
    const answer = await ask(await persona('alice'))
    await expect(answer).toHaveAttribute('data-state', 'done')
    await expect(answer).toContainText(`Lighthouse number ${number}`)
    await journal.verify(1, { prompt: QUESTION, end: 'eof' })
  })
}

test('a broken connection keeps the text received so far', async ({ say, journal, persona }) => {
  await say('Lighthouses are tall.', { fault: 'dropped', after: 3 })
  await expect(await ask(await persona('alice'))).toHaveAttribute('data-state', 'interrupted')
  await journal.verify(1, { end: 'reset' })
})

test('the page notices that the session has ended', async ({ say, journal, persona }) => {
  const page = await persona('alice')
  await say({ fault: 'session_expired', when: { path: '/api/chat/completions' } })
  await ask(page)
  await expect(page.getByRole('alert')).toBeVisible()
  await journal.verify(0)
})

test('an answer goes on piece by piece, and what came before it broke stays', async ({ say, hold, journal, persona }) => {
  await say('one two three four five', { to: QUESTION })
  const stream = await hold(QUESTION)
  const answer = await ask(await persona('alice'))
  expect(await stream.step(3)).toBe('one two three')
  await expect(answer).toContainText('one two three')
  await stream.fault('dropped')
  await expect(answer).toHaveAttribute('data-state', 'interrupted')
  await journal.verify(1, { end: 'reset' })
})
