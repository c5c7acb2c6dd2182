import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { siteConfig } from '../site-config.js';

const WRITTEN = readFileSync('staticwebapp.config.json', 'utf8');
const made = (options) => JSON.parse(siteConfig(WRITTEN, options));

test('without options it is what is written', () => {
  expect(made({})).toEqual(JSON.parse(WRITTEN));
});

test('the page may ask the one other origin', () => {
  const policy = made({ direct: 'https://app.example' }).globalHeaders['content-security-policy'];
  expect(policy).toContain("connect-src 'self' https://app.example;");
});

test('ranges close the site, and none leave it open', () => {
  expect(made({ ranges: '203.0.113.0/24, 198.51.100.7/32' }).networking).toEqual({
    allowedIpRanges: ['203.0.113.0/24', '198.51.100.7/32'],
  });
  expect(made({ ranges: ' ' }).networking).toBeUndefined();
});

test.each([
  [{ direct: 'https://app.example/path' }, 'is no origin'],
  [{ ranges: '203.0.113.0' }, 'is no IPv4 range'],
  [{ ranges: '999.0.113.0/24' }, 'is no IPv4 range'],
  [{ ranges: '203.0.113.0/33' }, 'is no IPv4 range'],
])('%j is refused', (options, why) => {
  expect(() => made(options)).toThrow(why);
});
