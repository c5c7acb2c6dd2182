import { defineConfig } from '@playwright/test'

/** SITE_URL is the address in the last line of `dress-rehearsal up`. */
export default defineConfig({
  testDir: '.',
  fullyParallel: true,
  workers: 4,
  retries: 0,
  expect: { timeout: 20_000 },
  forbidOnly: true,
  reporter: 'list',
  outputDir: '../../test-results/playwright',
  use: {
    baseURL: process.env.SITE_URL ?? 'http://127.0.0.1:4280',
    trace: 'retain-on-failure',
    launchOptions: { executablePath: process.env.BROWSER_PATH || undefined },
  },
})
