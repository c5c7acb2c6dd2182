/** The console: what happens, beside what one can do to it. */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { ask, control, scopeOfBrowser, setScopeOfBrowser } from './control';
import { Held } from './held';
import type { Live } from './live';
import { Next, type Wish } from './next';
import { VisitRow } from './visit';
import { chosen, type Part, visitsOf } from './visits';
import { World } from './world';

/** Who uses this browser, and whether its visits can be told from others'; null on the model's own port. */
export interface Who {
  name: string | null;
  persona: string | null;
  left_s: number | null;
  personas: { key: string; name: string }[];
  states: boolean;
  browsers: boolean;
}

const PARTS: [Part, string][] = [
  ['chats', 'Chats'],
  ['other', 'Other requests'],
  ['files', 'Files and sign-ins'],
];
const MOST_SHOWN = 200;

export function Console({ live }: { live: Live }) {
  const [version, setVersion] = useState(0);
  const [who, setWho] = useState<Who | null>(null);
  const [words, setWords] = useState('');
  const [wrong, setWrong] = useState(false);
  const [parts, setParts] = useState<ReadonlySet<Part>>(new Set<Part>(['chats', 'other']));
  const [mine, setMine] = useState(true);
  const [said, setSaid] = useState('');
  const [wish, setWish] = useState<Wish | null>(null);
  const filter = useRef<HTMLInputElement>(null);

  useEffect(() => live.subscribe(() => setVersion((before) => before + 1)), [live]);

  const refresh = () => void ask('/__mock/who').then(setWho, () => setWho(null));
  const site = [...live.exchanges.values()].findLast((each) => each.place === 'site' && each.decided_by === 'auth')?.number;
  useEffect(refresh, [site]);
  useEffect(() => {
    window.addEventListener('focus', refresh);
    return () => window.removeEventListener('focus', refresh);
  }, []);

  useEffect(() => {
    const keys = (event: KeyboardEvent) => {
      if (event.key !== '/' || (event.target as HTMLElement).matches('input, textarea, select')) return;
      event.preventDefault();
      filter.current?.focus();
    };
    window.addEventListener('keydown', keys);
    return () => window.removeEventListener('keydown', keys);
  }, []);

  const visits = useMemo(() => visitsOf(live.exchanges.values()), [version]);
  const found = chosen(visits, { words, wrong, parts });
  const forMe = mine && who?.browsers === true;

  /** Does something, and says how it went. */
  async function attempt(what: () => Promise<string>): Promise<boolean> {
    try {
      setSaid(await what());
      return true;
    } catch (error) {
      setSaid((error as Error).message);
      return false;
    }
  }

  /** The scope that is spoken for: this browser's, which is opened where there is none, or everybody's. */
  async function scope(): Promise<string> {
    if (!forMe) return '';
    const own = scopeOfBrowser();
    if (own && live.state?.scope === own) return own;
    const opened = (await control('scopes', { body: { personal: true } })).scope as string;
    setScopeOfBrowser(opened);
    live.listen(opened);
    return opened;
  }

  /** This browser belongs to no scope any more. */
  function leave() {
    setScopeOfBrowser('');
    live.listen('');
  }

  return (
    <>
      <header>
        <h1>Console</h1>
        <span class={`dot ${live.connected ? 'on' : 'off'}`} />
        <span role="status">{live.connected ? 'live' : 'not connected: is the mock still running?'}</span>
        <nav>
          {who && <a href="/">The app</a>}
          {who?.states && <a href="/__mock/states">States</a>}
          {who && <a href="/__mock/session">Session and rules</a>}
        </nav>
      </header>
      <main>
        <section class="visits" aria-labelledby="happens">
          <h2 id="happens" class="sr">
            What happens
          </h2>
          <form role="search" onSubmit={(event) => event.preventDefault()}>
            <label>
              <span>Filter</span>
              <input
                ref={filter}
                type="search"
                value={words}
                placeholder="person, path, status, any text ( / )"
                onInput={(event) => setWords(event.currentTarget.value)}
              />
            </label>
            <label class="check">
              <input type="checkbox" checked={wrong} onChange={(event) => setWrong(event.currentTarget.checked)} /> only what went wrong
            </label>
            {PARTS.map(([part, name]) => (
              <label class="check" key={part}>
                <input
                  type="checkbox"
                  checked={parts.has(part)}
                  onChange={({ currentTarget }) => {
                    const next = new Set(parts);
                    if (currentTarget.checked) next.add(part);
                    else next.delete(part);
                    setParts(next);
                  }}
                />
                {name} ({visits.filter((visit) => visit.part === part).length})
              </label>
            ))}
          </form>
          {found.length ? (
            <ul class="rows">
              {found.slice(0, MOST_SHOWN).map((visit) => (
                <VisitRow key={visit.id} visit={visit} onSay={(prompt) => setWish({ kind: 'text', prompt })} />
              ))}
            </ul>
          ) : (
            <p class="empty">
              {visits.length ? 'Nothing fits the filter.' : 'Nothing yet. Ask something in the app: it shows here at once.'}
            </p>
          )}
          {found.length > MOST_SHOWN && <p class="empty">{found.length - MOST_SHOWN} older ones are not shown: filter for them.</p>}
        </section>
        <aside aria-label="What to do">
          <p class="said" role="status" aria-live="polite">
            {said}
          </p>
          <Held state={live.state} attempt={attempt} />
          <Next
            state={live.state}
            wish={wish}
            forMe={forMe}
            canBeMine={who?.browsers === true}
            onMine={setMine}
            scope={scope}
            onCleared={leave}
            attempt={attempt}
          />
          <World live={live} who={who} onWho={refresh} attempt={attempt} />
        </aside>
      </main>
    </>
  );
}
