/** Who one is, what time it is, what is left of the limits; and starting afresh. */
import { useEffect, useState } from 'preact/hooks';
import type { Who } from './console';
import { ask, control } from './control';
import type { Attempt } from './held';
import type { Live } from './live';

interface WorldProps {
  live: Live;
  who: Who | null;
  onWho: () => void;
  attempt: Attempt;
}

const A_MINUTE_S = 60;

export function World({ live, who, onWho, attempt }: WorldProps) {
  const move = (order: object) => () => void attempt(async () => said(await control('clock', { body: order })));
  const said = (clock: { frozen: boolean }) => (clock.frozen ? 'The clock stands.' : 'The clock runs.');
  const { state } = live;
  return (
    <>
      {who && <Session who={who} onWho={onWho} attempt={attempt} />}
      <section aria-label="Clock">
        <h2>Clock</h2>
        <p>{state ? <Time live={live} /> : '…'}</p>
        <div class="buttons">
          {state?.clock.frozen ? (
            <button type="button" onClick={move({ frozen: false })}>
              Let it run
            </button>
          ) : (
            <button type="button" onClick={move({ frozen: true })}>
              Stop it
            </button>
          )}
          <button type="button" onClick={move({ advance_s: 60 })}>
            + 1 minute
          </button>
          <button type="button" onClick={move({ advance_s: 3600 })}>
            + 1 hour
          </button>
        </div>
      </section>
      {state && state.limits.length > 0 && (
        <section aria-label="Limits">
          <h2>Limits, a minute</h2>
          <table>
            <thead>
              <tr>
                <th>model</th>
                <th>requests left</th>
                <th>tokens left</th>
              </tr>
            </thead>
            <tbody>
              {state.limits.map((each) => (
                <tr key={each.name}>
                  <td>{each.name === '*' ? 'every other' : each.name}</td>
                  <td>{each.requests === null ? '–' : `${each.requests_left} of ${each.requests}`}</td>
                  <td>{each.tokens === null ? '–' : `${each.tokens_left} of ${each.tokens}`}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
      <section aria-label="Start afresh">
        <h2>Start afresh</h2>
        {(state?.crashes ?? 0) > 0 && (
          <p class="bad">
            The mock itself failed {state?.crashes} times: <a href="/__mock/control/crashes">what happened</a>.
          </p>
        )}
        <button
          type="button"
          onClick={() =>
            void attempt(async () => {
              await control('reset', { method: 'POST' });
              return 'Forgotten: what was set, what was counted, what happened.';
            })
          }
        >
          Reset
        </button>
      </section>
    </>
  );
}

/** The time of the mock's clock, which goes on between two states. */
function Time({ live }: { live: Live }) {
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((before) => before + 1), 1000);
    return () => clearInterval(timer);
  }, []);
  const { now_s, frozen } = live.state!.clock;
  const ahead = frozen ? 0 : performance.now() - live.stateAt;
  const now = new Date(now_s * 1000 + ahead);
  return (
    <>
      <time>{now.toLocaleString([], { dateStyle: 'medium', timeStyle: 'medium', hourCycle: 'h23' })}</time>
      {frozen && ' · stands'}
    </>
  );
}

function Session({ who, onWho, attempt }: { who: Who; onWho: () => void; attempt: Attempt }) {
  const [other, setOther] = useState('');
  const [before, setBefore] = useState<string | null>(null);
  const others = who.personas.filter((each) => each.key !== who.persona);
  const chosen = others.some((each) => each.key === other) ? other : (others[0]?.key ?? '');

  const signIn = (persona: string, expires_in_s?: number) =>
    ask('/__mock/login', { method: 'POST', body: JSON.stringify({ persona, ...(expires_in_s && { expires_in_s }) }) });

  useEffect(() => {
    if (!before) return;
    const timer = setTimeout(() => void back(before), A_MINUTE_S * 1000);
    return () => clearTimeout(timer);
  }, [before]);

  const back = (persona: string) =>
    attempt(async () => {
      await signIn(persona);
      setBefore(null);
      onWho();
      return `You are ${nameOf(persona)} again.`;
    });
  const nameOf = (key: string) => who.personas.find((each) => each.key === key)?.name ?? key;

  return (
    <section aria-label="Session">
      <h2>Session</h2>
      <p>
        {who.name
          ? `You are ${who.name}, for ${Math.max(0, Math.round((who.left_s ?? 0) / 60))} minutes.`
          : who.left_s === null
            ? 'Nobody is signed in.'
            : 'The session has expired.'}
      </p>
      <div class="buttons">
        <span class="pair">
          <select aria-label="Who to be" value={chosen} onChange={(event) => setOther(event.currentTarget.value)}>
            {others.map((each) => (
              <option key={each.key} value={each.key}>
                {each.name}
              </option>
            ))}
          </select>
          <button
            type="button"
            disabled={!chosen}
            onClick={() =>
              void attempt(async () => {
                await signIn(chosen, A_MINUTE_S);
                setBefore(before ?? who.persona);
                onWho();
                return `You are ${nameOf(chosen)} for a minute. Reload the app.`;
              })
            }
          >
            Be, for a minute
          </button>
        </span>
        {before && (
          <button type="button" onClick={() => void back(before)}>
            Be {nameOf(before)} again
          </button>
        )}
        {who.name && (
          <button
            type="button"
            onClick={() =>
              void attempt(async () => {
                await fetch('/__mock/expire', { method: 'POST', redirect: 'manual' });
                onWho();
                return 'The session has expired, as after eight hours.';
              })
            }
          >
            Expire my session
          </button>
        )}
      </div>
    </section>
  );
}
