import { expect, test } from 'vitest';
import { chosen, type Exchange, type Part, visitsOf } from '../console/visits';

const exchange = (given: Partial<Exchange>): Exchange => ({
  number: 1,
  visit: 1,
  place: 'site',
  at_s: 0,
  took_ms: 1,
  scope: '',
  persona: 'alice',
  method: 'GET',
  target: '/',
  prompt: '',
  rule: '',
  decided_by: 'file',
  status: 200,
  end: 'eof',
  attempt: 1,
  events: 1,
  failed: false,
  miss: false,
  ...given,
});

const CHAT = [
  exchange({ number: 2, visit: 2, target: '/api/chat/completions', decided_by: 'api', at_s: 1 }),
  exchange({ number: 4, visit: 2, place: 'model', prompt: 'Second try', at_s: 3, status: 200 }),
  exchange({ number: 3, visit: 2, place: 'model', prompt: 'Hi', at_s: 2, status: 429, failed: true }),
];

test('exchanges of one visit are together, in order, newest visit first, and it is called after the last question', () => {
  const visits = visitsOf([exchange({}), ...CHAT]);
  expect(visits.map(({ id, part, title, failed }) => [id, part, title, failed])).toEqual([
    [2, 'chats', 'Second try', true],
    [1, 'files', 'GET /', false],
  ]);
  expect(visits[0]!.exchanges.map(({ number }) => number)).toEqual([2, 3, 4]);
});

test('a file that is missing and a sign-in that fails are not folded away', () => {
  const parts = visitsOf([exchange({ status: 404 }), exchange({ number: 5, visit: 5, decided_by: 'auth' })]).map(({ part }) => part);
  expect(parts).toEqual(['files', 'other']);
});

test('all words are wanted, in any exchange of a visit; only what went wrong, and only these parts', () => {
  const visits = visitsOf([exchange({}), ...CHAT]);
  const all = new Set<Part>(['chats', 'other', 'files']);
  const ids = (words: string, wrong = false, parts: ReadonlySet<Part> = all) => chosen(visits, { words, wrong, parts }).map(({ id }) => id);
  expect(ids('')).toEqual([2, 1]);
  expect(ids('ALICE 429')).toEqual([2]);
  expect(ids('alice bob')).toEqual([]);
  expect(ids('', true)).toEqual([2]);
  expect(ids('', false, new Set<Part>(['files']))).toEqual([1]);
});
