/** The control routes, as this page reaches them; docs/control-routes.md says what each does. */

const SCOPE = 'mockserver-scope';

/** A refusal, in the words of the mock. */
export class Refused extends Error {}

/** Asks a control route; `scope` is whose stubs, scenario and limits are meant, empty for everybody's. Throws Refused. */
export async function control(
  route: string,
  { body, method, scope }: { body?: unknown; method?: string; scope?: string } = {},
): Promise<any> {
  const headers: Record<string, string> = { ...(body !== undefined && { 'content-type': 'application/json' }) };
  if (scope) headers['x-mockserver-scope'] = scope;
  return ask(`/__mock/control/${route}`, { method: method ?? (body === undefined ? 'GET' : 'POST'), headers, body: JSON.stringify(body) });
}

/** Asks any address of the mock for JSON, null where it has none to give. Throws Refused. */
export async function ask(path: string, init: RequestInit = {}): Promise<any> {
  let answer: Response;
  try {
    answer = await fetch(path, init);
  } catch {
    throw new Refused('The mock does not answer. Is it still running?');
  }
  const text = await answer.text();
  const json = answer.headers.get('content-type')?.includes('json') ? JSON.parse(text) : null;
  if (!answer.ok) throw new Refused(json?.error ?? text.trim() ?? `${answer.status}`);
  return json;
}

/** The scope of this browser, by the cookie that its visits carry; empty where it has none. */
export function scopeOfBrowser(): string {
  return document.cookie.match(new RegExp(`(?:^|; )${SCOPE}=([^;]*)`))?.[1] ?? '';
}

/** Lets the visits of this browser belong to a scope; to none where it is empty. */
export function setScopeOfBrowser(scope: string): void {
  // biome-ignore lint/suspicious/noDocumentCookie: not every browser has the Cookie Store, and plain HTTP has none
  document.cookie = `${SCOPE}=${scope}; path=/; SameSite=Lax${scope ? '' : '; max-age=0'}`;
}
