/** What the mock tells while it happens, kept within bounds; whoever subscribes is called after each change. */
import { scopeOfBrowser, setScopeOfBrowser } from './control';
import type { Exchange } from './visits';

export interface Hold {
  hold: string;
  state: string;
  sent: number;
  left: number;
  text: string;
}

/** What a scope is answered from, as GET /__admin/state has it. */
export interface State {
  scope: string;
  scenario: string | null;
  said: { name: string; words: string; left: number | null }[];
  limits: { name: string; requests: number | null; requests_left: number | null; tokens: number | null; tokens_left: number | null }[];
  holds: Hold[];
  clock: { now_s: number; frozen: boolean };
  crashes: number;
}

const MOST = 3000;

export class Live {
  readonly exchanges = new Map<number, Exchange>();
  state: State | null = null;
  connected = false;
  /** When the last state came, in milliseconds of this page. */
  stateAt = 0;
  private source: EventSource | null = null;
  private listeners = new Set<() => void>();

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Listens, for a scope or for everybody's; what was heard before of another one is forgotten. */
  listen(scope: string): void {
    this.source?.close();
    const source = new EventSource(`/__mock/control/live${scope ? `?scope=${encodeURIComponent(scope)}` : ''}`);
    this.source = source;
    let begun = false;
    source.addEventListener('exchanges', ({ data }) => {
      const { cleared, exchanges } = JSON.parse(data);
      if (cleared || !begun) this.exchanges.clear();
      begun = true;
      for (const each of exchanges) this.exchanges.set(each.number, each);
      for (const number of this.exchanges.keys()) {
        if (this.exchanges.size <= MOST) break;
        this.exchanges.delete(number);
      }
      this.changed(true);
    });
    source.addEventListener('state', ({ data }) => {
      this.state = JSON.parse(data);
      this.stateAt = performance.now();
      this.changed(true);
    });
    source.addEventListener('open', () => {
      begun = false;
      this.changed(true);
    });
    source.addEventListener('error', () => {
      this.changed(false);
      // A scope that was closed is refused, and the browser does not ask again.
      if (scope && source.readyState === EventSource.CLOSED && scopeOfBrowser() === scope) {
        setScopeOfBrowser('');
        this.listen('');
      } else if (source.readyState === EventSource.CLOSED) {
        setTimeout(() => this.source === source && this.listen(scopeOfBrowser()), 1000);
      }
    });
  }

  private changed(connected: boolean): void {
    this.connected = connected;
    for (const listener of this.listeners) listener();
  }
}
