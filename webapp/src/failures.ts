/** What the page says of a failure, and what it offers to do about it. */
import type { Failure } from './completion';
import type { Message } from './conversation';
import { known } from './known';
import { locale, texts } from './texts';

/** What can be done about a turn. */
export type WayOut = keyof typeof texts.waysOut;

interface Explained {
  text: string;
  /** In the order they are offered. */
  ways: WayOut[];
}

const { failures, limit } = texts;

/** By the failure's code, where there is no answer at all. */
const KNOWN: Record<string, Explained> = {
  content_filter: { text: failures.content_filter(''), ways: ['edit'] },
  context_length_exceeded: { text: failures.context_length_exceeded, ways: ['start', 'edit'] },
  forbidden: { text: failures.forbidden, ways: ['access'] },
  http_413: { text: failures.too_large, ways: ['edit', 'start'] }, // of a proxy on the way
  images_not_supported: { text: failures.images_not_supported, ways: ['edit', 'start'] },
  insufficient_quota: { text: failures.insufficient_quota, ways: ['retry'] },
  interrupted: { text: failures.interrupted, ways: ['retry'] },
  mockserver_cannot_attribute: { text: failures.mockserver_cannot_attribute, ways: ['retry'] },
  network: { text: failures.network, ways: ['retry'] },
  rate_limit_exceeded: { text: failures.rate_limit_exceeded, ways: ['retry'] },
  signed_out: { text: failures.signed_out, ways: ['retry'] },
  too_large: { text: failures.too_large, ways: ['edit', 'start'] },
  upstream_timeout: { text: failures.upstream_timeout, ways: ['retry'] },
};

/** What breaks an answer off without saying more. */
const LOST = new Set(['interrupted', 'network']);

/** What to say of a failure and what to offer; `partial` where some of the answer is there. */
export function explained(failure: Failure, partial: boolean): Explained {
  if (partial)
    return {
      text: LOST.has(failure.code) ? failures.lost : (known(KNOWN, failure.code)?.text ?? failures.lost),
      ways: ['continue', 'regenerate'],
    };
  const usual = known(KNOWN, failure.code) ?? { text: failures.other, ways: ['retry'] };
  if (failure.code !== 'content_filter' || !failure.filtered.length) return usual;
  return { ...usual, text: failures.content_filter(failure.filtered.map(category).join(', ')) };
}

/** Whether the text says so little that a reference helps. */
export function needsReference(failure: Failure, partial: boolean): boolean {
  return !partial && !known(KNOWN, failure.code) && failure.requestId !== '';
}

/** As `violence (medium)`. */
function category([name, severity]: [string, string]): string {
  const said = known(failures.filters, name) ?? name.replace(/_/g, ' ');
  return severity ? `${said} (${known(failures.severities, severity) ?? severity})` : said;
}

const HOUR_S = 3600;

/** What to say of a limit that ends in so many seconds: the fact, and, where it is soon over, the time that passes. */
export function waiting(seconds: number): [fact: string, time: string] {
  if (seconds <= 0) return [failures.rate_limit_exceeded, limit.over];
  if (seconds <= HOUR_S)
    return [failures.rate_limit_exceeded, limit.wait(`${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`)];
  const until = new Date(Date.now() + seconds * 1000).toLocaleString(locale, {
    ...(seconds > 12 * HOUR_S && { weekday: 'long' }),
    hour: '2-digit',
    minute: '2-digit',
  });
  return [limit.long(until), ''];
}

/** Why an answer ended as it did, or that it says nothing; empty where there is nothing to say of it. */
export function noteOf({ state, finish, content, tools }: Message): string {
  const { stopped, finishes, empty } = texts.conversation;
  if (state === 'stopped') return stopped;
  if (state !== 'done') return '';
  const said = finish && known(finishes, finish);
  if (said) return said;
  if (content.trim()) return '';
  return tools?.length ? finishes.tool_calls! : empty;
}
