/** A conversation as plain data and one pure function; nothing here knows the page or the network. */
import type { Message, Problem } from './completion';

export type TurnState = 'sending' | 'streaming' | 'done' | 'stopped' | 'interrupted' | 'failed';

export interface Turn {
  question: string;
  answer: string;
  state: TurnState;
  /** Why the model stopped; null while it writes. */
  finish: string | null;
  problem: Problem | null;
}

export type Action =
  | { type: 'ask'; question: string }
  | { type: 'retry' }
  | { type: 'answer'; text: string }
  | { type: 'finish'; reason: string }
  | { type: 'end'; state: TurnState; problem?: Problem }
  | { type: 'clear' };

export function reduce(turns: Turn[], action: Action): Turn[] {
  switch (action.type) {
    case 'ask':
      return [...turns, fresh(action.question)];
    case 'retry':
      return change(turns, (turn) => fresh(turn.question));
    case 'answer':
      return change(turns, (turn) => ({ ...turn, answer: action.text, state: 'streaming' }));
    case 'finish':
      return change(turns, (turn) => ({ ...turn, finish: action.reason }));
    case 'end':
      return change(turns, (turn) => ({ ...turn, state: action.state, problem: action.problem ?? null }));
    case 'clear':
      return [];
  }
}

/** What the model is sent: every turn that has an answer, and the question that waits for one. */
export function context(turns: Turn[]): Message[] {
  return turns.flatMap((turn, index): Message[] => {
    const question: Message = { role: 'user', content: turn.question };
    if (index === turns.length - 1) return [question];
    return turn.answer ? [question, { role: 'assistant', content: turn.answer }] : [];
  });
}

function fresh(question: string): Turn {
  return { question, answer: '', state: 'sending', finish: null, problem: null };
}

function change(turns: Turn[], update: (turn: Turn) => Turn): Turn[] {
  const last = turns.at(-1);
  return last ? [...turns.slice(0, -1), update(last)] : turns;
}
