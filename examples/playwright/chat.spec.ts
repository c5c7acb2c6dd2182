import { expect, type Page } from '@playwright/test'
import { test } from './rehearsal.ts'

const QUESTION = 'Tell me about lighthouses'

async function ask(page: Page) {
  await page.getByRole('textbox', { name: 'Message' }).fill(QUESTION)
  await page.getByRole('button', { name: 'Send', exact: true }).click()
  return page.getByRole('article', { name: 'Assistant said' }).last()
}

// The same question at the same time, on one server.
for (const number of [1, 2, 3, 4, 5, 6]) {
  test(`each test gets its own answer, ${number}`, async ({ rehearsal, pageAs }) => {
    await rehearsal.say({ say: `Lighthouse number ${number}`, when: { prompt: QUESTION } })
    const answer = await ask(await pageAs('alice'))
    await expect(answer).toHaveAttribute('data-state', 'done')
    await expect(answer).toContainText(`Lighthouse number ${number}`)
    await rehearsal.verify(1, { prompt: QUESTION, end: 'eof' })
  })
}

test('a broken connection keeps the text received so far', async ({ rehearsal, pageAs }) => {
  await rehearsal.say({ say: 'Lighthouses are tall.', fault: 'dropped', after: 3 })
  await expect(await ask(await pageAs('alice'))).toHaveAttribute('data-state', 'interrupted')
  await rehearsal.verify(1, { end: 'reset' })
})

test('the page notices that the session has ended', async ({ rehearsal, pageAs }) => {
  const page = await pageAs('alice')
  await rehearsal.say({ fault: 'session_expired', when: { path: '/api/chat/completions' } })
  await ask(page)
  await expect(page.getByRole('alert')).toBeVisible()
  await rehearsal.verify(0)
})
