/** What the next answer is: a text, a fault, a scenario, what is recorded; at once, at a pace, or piece by piece. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { control } from './control';
import type { Attempt } from './held';
import type { State } from './live';

/** What somebody wants said, and to which question. */
export interface Wish {
  kind: 'text';
  prompt: string;
}

type Kind = 'recorded' | 'text' | 'fault' | 'scenario';

const PACES: [string, object | undefined][] = [
  ['as it comes', undefined],
  ['slow: 0.2 s a word', { first_ms: 500, each_ms: 200 }],
  ['very slow: 1 s a word', { first_ms: 3000, each_ms: 1000 }],
  ['10 s until the first word', { first_ms: 10_000 }],
];
const TIMES: [string, number | undefined][] = [
  ['once', 1],
  ['twice', 2],
  ['three times', 3],
  ['always', undefined],
];
const ALWAYS = TIMES.length - 1;

interface NextProps {
  state: State | null;
  wish: Wish | null;
  forMe: boolean;
  canBeMine: boolean;
  onMine: (mine: boolean) => void;
  scope: () => Promise<string>;
  /** The scope of this browser is closed. */
  onCleared: () => void;
  attempt: Attempt;
}

export function Next({ state, wish, forMe, canBeMine, onMine, scope, onCleared, attempt }: NextProps) {
  const [kind, setKind] = useState<Kind>('text');
  const [text, setText] = useState('');
  const [prompt, setPrompt] = useState('');
  const [pace, setPace] = useState(0);
  const [times, setTimes] = useState(0);
  const [fault, setFault] = useState('rate_limited');
  const [scenario, setScenario] = useState('');
  const [held, setHeld] = useState(false);
  const [faults, setFaults] = useState<{ kind: string; does: string }[]>([]);
  const [scenarios, setScenarios] = useState<string[]>([]);
  const words = useRef<HTMLTextAreaElement>(null);

  useEffect(() => {
    control('faults').then(setFaults, () => {});
    control('scenarios').then(
      ({ names }) => setScenarios(names),
      () => {},
    );
  }, []);
  useEffect(() => {
    if (!wish) return;
    setKind(wish.kind);
    setPrompt(wish.prompt);
    setText('');
    setHeld(false);
    setTimes(ALWAYS);
    words.current?.focus();
  }, [wish]);

  /** A client asks again after most faults: one that comes once is seen by nobody. */
  function choose(chosen: Kind) {
    setKind(chosen);
    setTimes(chosen === 'fault' ? ALWAYS : 0);
  }

  const whose = forMe ? 'this browser' : 'everybody';

  async function set(): Promise<string> {
    const own = await scope();
    if (kind === 'scenario') {
      await control('scenarios', { body: { chosen: scenario || null }, scope: own });
    } else if (kind !== 'recorded') {
      const [, paced] = PACES[pace]!;
      const says = text && { say: text, ...(paced && { pace: paced }) };
      const what = { ...says, ...(kind === 'fault' && { fault }) };
      const [, count] = TIMES[times]!;
      const entry = { ...what, ...(count && { times: count }), ...(prompt && { when: { prompt } }) };
      await control('stubs', { body: [entry], scope: own });
    }
    if ((held || kind === 'recorded') && kind !== 'scenario') await control('holds', { body: prompt ? { to: prompt } : {}, scope: own });
    return `Set for ${whose}. Now ask in the app.`;
  }

  const clear = () =>
    attempt(async () => {
      if (forMe) {
        await control(`scopes/${await scope()}`, { method: 'DELETE' });
        onCleared();
        return 'This browser is answered like everybody again.';
      }
      await control('scenarios', { body: { chosen: null } });
      return 'No scenario for everybody. What was said goes with a reset.';
    });

  return (
    <section aria-label="The next answer">
      <h2>The next answer</h2>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void attempt(set);
        }}
      >
        {canBeMine && (
          <fieldset class="segments">
            <legend class="sr">For whom</legend>
            {[true, false].map((mine) => (
              <label key={String(mine)}>
                <input type="radio" name="whose" checked={mine === forMe} onChange={() => onMine(mine)} />
                {mine ? 'for this browser' : 'for everybody'}
              </label>
            ))}
          </fieldset>
        )}
        <fieldset class="segments">
          <legend class="sr">What it is</legend>
          {(['text', 'fault', 'scenario', 'recorded'] as Kind[]).map((each) => (
            <label key={each}>
              <input type="radio" name="kind" checked={kind === each} onChange={() => choose(each)} />
              {each === 'recorded' ? 'as it is' : each}
            </label>
          ))}
        </fieldset>
        {kind === 'fault' && (
          <label>
            <span>What goes wrong</span>
            <select value={fault} onChange={(event) => setFault(event.currentTarget.value)}>
              {faults.map((each) => (
                <option key={each.kind}>{each.kind}</option>
              ))}
            </select>
            <small>
              {faults.find((each) => each.kind === fault)?.does}
              {times === ALWAYS && ' Every time, until it is cleared: clients ask again.'}
            </small>
          </label>
        )}
        {(kind === 'text' || kind === 'fault') && (
          <>
            <label>
              <span>What the model says</span>
              <textarea
                ref={words}
                rows={kind === 'text' ? 4 : 2}
                required={kind === 'text'}
                placeholder={kind === 'fault' ? 'what is recorded' : ''}
                value={text}
                onInput={(event) => setText(event.currentTarget.value)}
              />
            </label>
            {(kind === 'text' || text) && (
              <label>
                <span>Pace</span>
                <select value={pace} onChange={(event) => setPace(Number(event.currentTarget.value))}>
                  {PACES.map(([name], index) => (
                    <option key={name} value={index}>
                      {name}
                    </option>
                  ))}
                </select>
              </label>
            )}
          </>
        )}
        {kind === 'scenario' && (
          <label>
            <span>Scenario, until it is cleared</span>
            <select value={scenario} onChange={(event) => setScenario(event.currentTarget.value)}>
              <option value="">none</option>
              {scenarios.map((name) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </label>
        )}
        {kind !== 'scenario' && (
          <details open={prompt !== '' || undefined}>
            <summary>Only for one question, how often</summary>
            <label>
              <span>Only when the question is exactly</span>
              <input value={prompt} placeholder="any question" onInput={(event) => setPrompt(event.currentTarget.value)} />
            </label>
            {kind !== 'recorded' && (
              <label>
                <span>How often</span>
                <select value={times} onChange={(event) => setTimes(Number(event.currentTarget.value))}>
                  {TIMES.map(([name], index) => (
                    <option key={name} value={index}>
                      {name}
                    </option>
                  ))}
                </select>
              </label>
            )}
          </details>
        )}
        {kind !== 'scenario' && (
          <label class="check">
            <input
              type="checkbox"
              checked={held || kind === 'recorded'}
              disabled={kind === 'recorded'}
              onChange={(event) => setHeld(event.currentTarget.checked)}
            />
            hold it, I let it go on piece by piece
          </label>
        )}
        <button type="submit" class="first">
          Set
        </button>
      </form>
      {state && (state.said.length > 0 || state.scenario) && (
        <>
          <h3>Set for {state.scope ? 'this browser' : 'everybody'}</h3>
          <ul class="plain">
            {state.scenario && <li>scenario {state.scenario}</li>}
            {state.said.map((each) => (
              <li key={each.name}>
                {each.words} <small>{each.left === null ? 'always' : each.left === 1 ? 'once' : `${each.left} times`}</small>
              </li>
            ))}
          </ul>
          {(forMe ? state.scope : state.scenario) && (
            <button type="button" onClick={() => void clear()}>
              {forMe ? 'Clear what is set for this browser' : 'Clear the scenario'}
            </button>
          )}
        </>
      )}
    </section>
  );
}
