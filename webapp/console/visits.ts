/** The exchanges as visits, newest first, and which of them to show. */

/** One exchange at the site, the Functions host or the model; `visit` is the number of the first one of its visit. */
export interface Exchange {
  number: number;
  visit: number;
  place: 'site' | 'host' | 'model';
  at_s: number;
  took_ms: number;
  scope: string;
  persona: string | null;
  method: string;
  target: string;
  prompt: string;
  rule: string;
  decided_by: string;
  status: number | null;
  end: string;
  attempt: number;
  events: number;
  failed: boolean;
  miss: boolean;
}

export type Part = 'chats' | 'other' | 'files';

/** The exchanges of one visit, oldest first. */
export interface Visit {
  id: number;
  exchanges: Exchange[];
  part: Part;
  failed: boolean;
  /** What the model was asked last; else the first request. */
  title: string;
  text: string;
}

export function visitsOf(exchanges: Iterable<Exchange>): Visit[] {
  const byVisit = new Map<number, Exchange[]>();
  for (const each of exchanges) {
    const visit = byVisit.get(each.visit);
    if (visit) visit.push(each);
    else byVisit.set(each.visit, [each]);
  }
  return [...byVisit].map(([id, own]) => visitOf(id, own)).sort((a, b) => b.id - a.id);
}

function visitOf(id: number, own: Exchange[]): Visit {
  const exchanges = own.sort((a, b) => a.at_s - b.at_s || a.number - b.number);
  const first = exchanges[0]!;
  const asked = exchanges.findLast((each) => each.place === 'model');
  const files = exchanges.every((each) => ['file', 'auth'].includes(each.decided_by) && (each.status ?? 0) < 400);
  return {
    id,
    exchanges,
    part: asked ? 'chats' : files ? 'files' : 'other',
    failed: exchanges.some((each) => each.failed),
    title: asked?.prompt || `${first.method} ${first.target}`,
    text: exchanges
      .map(
        (each) =>
          `${each.persona ?? 'nobody'} ${each.method} ${each.target} ${each.prompt} ${each.rule} ${each.decided_by} ${each.status} ${each.end}`,
      )
      .join('\n')
      .toLowerCase(),
  };
}

/** Those with all the words, of these parts, and where `wrong` is set only those in which something went wrong. */
export function chosen(visits: Visit[], { words, wrong, parts }: { words: string; wrong: boolean; parts: ReadonlySet<Part> }): Visit[] {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  return visits.filter((visit) => parts.has(visit.part) && (!wrong || visit.failed) && wanted.every((word) => visit.text.includes(word)));
}
