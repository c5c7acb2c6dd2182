/** Streams in one's hand: how far each is, and what it shall do next. */
import { useEffect, useState } from 'preact/hooks';
import { control } from './control';
import type { Hold, State } from './live';

export type Attempt = (what: () => Promise<string>) => Promise<boolean>;

/** Faults that can come after a stream has begun. */
const ON_THE_WAY = ['dropped', 'stall', 'cut_short', 'truncated_event', 'malformed_event', 'rate_limited_in_stream'];

export function Held({ state, attempt }: { state: State | null; attempt: Attempt }) {
  const holds = (state?.holds ?? []).filter((hold) => ['waiting', 'held', 'going on'].includes(hold.state));
  const first = holds.find((hold) => hold.state === 'held');
  useEffect(() => {
    const keys = (event: KeyboardEvent) => {
      if (event.key !== 's' || event.ctrlKey || event.metaKey || event.altKey || !first) return;
      if ((event.target as HTMLElement).matches('input:not([type=checkbox], [type=radio]), textarea, select')) return;
      void attempt(() => tell(first, { step: 1 }));
    };
    window.addEventListener('keydown', keys);
    return () => window.removeEventListener('keydown', keys);
  });
  if (!holds.length) return null;
  return (
    <section aria-label="Held answers">
      <h2>Held answers</h2>
      {holds.map((hold) => (
        <OneHeld key={hold.hold} hold={hold} attempt={attempt} />
      ))}
    </section>
  );
}

async function tell({ hold }: Hold, order: object): Promise<string> {
  await control(`holds/${hold}`, { body: order });
  return '';
}

function OneHeld({ hold, attempt }: { hold: Hold; attempt: Attempt }) {
  const [fault, setFault] = useState('dropped');
  const order = (what: object) => () => void attempt(() => tell(hold, what));
  if (hold.state === 'waiting')
    return (
      <div class="held">
        <p>Waits for the next question. Ask in the app.</p>
        <button type="button" onClick={order({ release: true })}>
          Hold nothing
        </button>
      </div>
    );
  return (
    <div class="held">
      <p>
        {hold.sent} of {hold.sent + hold.left} pieces have left.{hold.state === 'going on' && ' The rest goes on by itself.'}
      </p>
      <progress value={hold.sent} max={Math.max(1, hold.sent + hold.left)} aria-label="Pieces that have left" />
      {hold.text && <pre tabIndex={0}>{hold.text}</pre>}
      {hold.state === 'held' && (
        <div class="buttons">
          <button type="button" class="first" onClick={order({ step: 1 })}>
            One piece <kbd>s</kbd>
          </button>
          <button type="button" onClick={order({ step: 5 })}>
            Five
          </button>
          <button type="button" onClick={order({ release: true })}>
            Let it go on
          </button>
          <span class="pair">
            <select aria-label="How it goes wrong" value={fault} onChange={(event) => setFault(event.currentTarget.value)}>
              {ON_THE_WAY.map((kind) => (
                <option key={kind}>{kind}</option>
              ))}
            </select>
            <button type="button" onClick={order({ fault })}>
              Now
            </button>
          </span>
        </div>
      )}
    </div>
  );
}
