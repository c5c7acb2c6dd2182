import { expect, test } from 'vitest';
import { explained, needsReference } from '../src/failures';
import { texts } from '../src/texts';

const failure = (code: string, filtered: [string, string][] = []) => ({ code, requestId: 'r', retryAt: null, filtered });

test.each(['toString', 'constructor', '__proto__', 'hasOwnProperty'])('a code that every object has is no code of ours: %s', (code) => {
  expect(explained(failure(code), false)).toEqual({ text: texts.failures.other, ways: ['retry'] });
  expect(explained(failure(code), true).text).toBe(texts.failures.lost);
  expect(needsReference(failure(code), false)).toBe(true);
});

test('a category and a severity that every object has are said as they are', () => {
  expect(explained(failure('content_filter', [['constructor', 'toString']]), false).text).toContain('Reason: constructor (toString).');
});

test.each([
  ['images_not_supported', 'images_not_supported'],
  ['too_large', 'too_large'],
  ['http_413', 'too_large'],
] as const)('%s has a sentence of its own, and a way out', (code, said) => {
  expect(explained(failure(code), false)).toEqual({ text: texts.failures[said], ways: ['edit', 'start'] });
  expect(needsReference(failure(code), false)).toBe(false);
});
