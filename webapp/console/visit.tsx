/** One visit: a line, and opened the way from the gate to the model with what each held. */
import { useEffect, useState } from 'preact/hooks';
import { control } from './control';
import type { Exchange, Visit } from './visits';

interface Contents {
  number: number;
  request_headers: [string, string][];
  request_body: string;
  answer_headers: [string, string][];
  events: { sent_ms: number | null; due_ms: number; text: string }[];
  miss: {
    nearest: string | null;
    reason: string;
    acceptable: boolean;
    differences: { field: string; expected: string; got: string }[];
  } | null;
}

const MOST_TICKS = 300;

export function VisitRow({ visit, onSay }: { visit: Visit; onSay: (prompt: string) => void }) {
  const [open, setOpen] = useState(false);
  const first = visit.exchanges[0]!;
  const last = visit.exchanges.at(-1)!;
  const began = new Date(first.at_s * 1000).toLocaleTimeString([], { hourCycle: 'h23' });
  return (
    <li class={visit.failed ? 'failed' : ''}>
      <button type="button" class="row" aria-expanded={open} onClick={() => setOpen(!open)}>
        <time>{began}</time>
        <b>{visit.title}</b>
        <span class="facts">
          {[visit.exchanges.some((each) => each.place === 'site') && (first.persona ?? 'nobody'), last.decided_by, resultOf(first)]
            .filter(Boolean)
            .join(' · ')}
        </span>
      </button>
      {open && <Opened visit={visit} onSay={onSay} />}
    </li>
  );
}

/** How an exchange went, in a few words. */
function resultOf({ status, end, took_ms, events }: Exchange): string {
  const took = end === 'open' ? 'running' : took_ms < 1000 ? `${Math.round(took_ms)} ms` : `${(took_ms / 1000).toFixed(1)} s`;
  const ended = end === 'eof' || end === 'open' ? '' : ` ${end}`;
  return `${status ?? '-'}${ended}${events > 1 ? ` · ${events} events` : ''} · ${took}`;
}

function Opened({ visit, onSay }: { visit: Visit; onSay: (prompt: string) => void }) {
  const [contents, setContents] = useState<ReadonlyMap<number, Contents>>(new Map());
  const [trouble, setTrouble] = useState('');
  const key = visit.exchanges.map((each) => `${each.number}${each.end}`).join();
  useEffect(() => {
    let current = true;
    Promise.all(visit.exchanges.map((each) => control(`journal/${each.number}`))).then(
      (all: Contents[]) => current && setContents(new Map(all.map((each) => [each.number, each]))),
      (error) => current && setTrouble(error.message),
    );
    return () => {
      current = false;
    };
  }, [key]);
  const began = Math.min(...visit.exchanges.map((each) => each.at_s));
  const whole = Math.max(0.001, ...visit.exchanges.map((each) => each.at_s + each.took_ms / 1000 - began));
  return (
    <div class="opened">
      {trouble && <p class="bad">{trouble}</p>}
      {visit.exchanges.map((each) => (
        <One key={each.number} of={each} contents={contents.get(each.number)} began={began} whole={whole} onSay={onSay} />
      ))}
    </div>
  );
}

interface OneProps {
  of: Exchange;
  contents?: Contents;
  began: number;
  whole: number;
  onSay: (prompt: string) => void;
}

function One({ of, contents, began, whole, onSay }: OneProps) {
  const left = ((of.at_s - began) / whole) * 100;
  const sent = (contents?.events ?? []).flatMap(({ sent_ms }) => (sent_ms === null ? [] : [sent_ms]));
  const step = Math.max(1, Math.ceil(sent.length / MOST_TICKS));
  return (
    <details class={of.place} open={of.miss}>
      <summary>
        <span>
          <b>{of.place}</b> {of.method} {of.target}
          <small class={of.failed ? 'bad' : ''}>
            {[of.rule, of.decided_by, of.attempt > 1 && `attempt ${of.attempt}`, resultOf(of)].filter(Boolean).join(' · ')}
          </small>
        </span>
        <svg class="lane" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
          <rect class="bar" x={left} y="1" width={Math.max(0.3, of.took_ms / 10 / whole)} height="8" />
          {sent
            .filter((_, index) => index % step === 0)
            .map((ms, index) => (
              <rect key={index} class="tick" x={left + ms / 10 / whole} y="2" width="0.15" height="6" />
            ))}
        </svg>
      </summary>
      {contents?.miss && <MissedBy miss={contents.miss} onSay={() => onSay(of.prompt)} />}
      {contents && (
        <div class="inside">
          <div>
            <h3>Request</h3>
            <Headers of={contents.request_headers} />
            {contents.request_body && <pre tabIndex={0}>{contents.request_body}</pre>}
          </div>
          <div>
            <h3>Answer</h3>
            <Headers of={contents.answer_headers} />
            {contents.events.length > 0 && (
              <div class="scroll events" tabIndex={0} role="group" aria-label="Events">
                <table>
                  <thead>
                    <tr>
                      <th>sent, ms</th>
                      <th>due, ms</th>
                      <th>event</th>
                    </tr>
                  </thead>
                  <tbody>
                    {contents.events.map((event, index) => (
                      <tr key={index}>
                        <td>{event.sent_ms === null ? 'never' : event.sent_ms.toFixed(1)}</td>
                        <td>{event.due_ms.toFixed(1)}</td>
                        <td>{event.text}</td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              </div>
            )}
          </div>
        </div>
      )}
    </details>
  );
}

function MissedBy({ miss, onSay }: { miss: NonNullable<Contents['miss']>; onSay: () => void }) {
  return (
    <div class="miss">
      <p>
        {miss.reason ||
          (miss.nearest ? `No answer fits. The nearest is ${miss.nearest}; it differs in:` : 'No answer of this kind is loaded.')}
      </p>
      {miss.differences.length > 0 && (
        <table>
          <thead>
            <tr>
              <th>field</th>
              <th>recorded</th>
              <th>asked</th>
            </tr>
          </thead>
          <tbody>
            {miss.differences.map((each) => (
              <tr key={each.field}>
                <td>{each.field}</td>
                <td>{each.expected}</td>
                <td>{each.got}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <p>
        <button type="button" onClick={onSay}>
          Say this…
        </button>{' '}
        or record it with a key: <code>make record UPSTREAM=https://…</code>
        {miss.acceptable && (
          <>
            ; only the prompt changed, so its answer may stay, after a test run: <code>dress-rehearsal cassette accept</code>
          </>
        )}
      </p>
    </div>
  );
}

function Headers({ of }: { of: [string, string][] }) {
  return (
    <table class="headers">
      <tbody>
        {of.map(([name, value], index) => (
          <tr key={index}>
            <th scope="row">{name}</th>
            <td>{value}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
