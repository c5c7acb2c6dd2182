/** The conversation: its turns, drawn from the last one upwards, and where it is scrolled to. */
import { ArrowDown } from 'lucide';
import { memo } from 'preact/compat';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Conversation, Message } from './conversation';
import { useFollow } from './follow';
import { Icon } from './icons';
import { texts } from './texts';
import { Answer, Question, type TurnProps } from './turn';
import { useSnapshot } from './use-session';
import { Welcome } from './welcome';

/** So many turns are drawn at once; the ones before them when there is time. */
const DRAWN_AT_ONCE = 6;

interface LogProps {
  editing: string | null;
  onEdit: TurnProps['onEdit'];
  onAsk: TurnProps['onAsk'];
  onWritten: () => void;
}

/** A new question goes to the top and its answer fills the room below it; who scrolls to the end is kept there. */
export function Log({ editing, ...doing }: LogProps) {
  const { open, messages, busy, lost } = useSnapshot();
  const box = useRef<HTMLDivElement>(null);
  const following = useFollow(box);
  const turns = useMemo(() => turnsOf(open, messages), [open, messages]);
  const drawn = useDrawn(open.id, turns.length);
  const last = turns.at(-1)?.question.id;
  useLayoutEffect(following.grewAbove, [drawn]);
  useLayoutEffect(() => {
    const turn = box.current!.querySelector<HTMLElement>('.turn:last-child');
    following.put(turn ? turn.offsetTop - box.current!.offsetTop : 0);
  }, [open.id, last]);
  useLayoutEffect(following.changed, [messages]);
  return (
    <div class="scene">
      <div class="log" role="log" aria-label={texts.conversation.name} aria-live="off" tabIndex={0} ref={box} {...following.listeners}>
        <div class="column">
          {turns.length === 0 && <Welcome lost={lost} onAsk={doing.onAsk} />}
          {turns.slice(-drawn).map((turn, index, shown) => (
            <Turn
              key={turn.question.parent ?? open.id}
              {...turn}
              {...doing}
              last={index === shown.length - 1}
              editing={editing === turn.question.id}
            />
          ))}
        </div>
      </div>
      {following.away && turns.length > 0 && (
        <button
          type="button"
          class="jump"
          aria-label={texts.conversation.jump}
          title={texts.conversation.jump}
          onClick={() => following.toEnd(busy)}
        >
          <Icon of={ArrowDown} />
        </button>
      )}
    </div>
  );
}

interface TurnOf {
  question: Message;
  answer: Message | undefined;
  /** How often each was asked or answered: the versions, oldest first. */
  questions: Message[];
  answers: Message[];
}

/** Each question with its answer, and the versions of both. */
function turnsOf(conversation: Conversation, messages: Message[]): TurnOf[] {
  const versions = Map.groupBy(conversation.messages, ({ parent }) => parent);
  return messages.flatMap((question, index) => {
    if (question.role !== 'user') return [];
    const questions = versions.get(question.parent)?.filter(({ role }) => role === 'user') ?? [];
    return [{ question, answer: messages[index + 1], questions, answers: versions.get(question.id) ?? [] }];
  });
}

/** Drawn again only when something of it is another: most turns stay as they are while the last one grows. */
const Turn = memo(
  function Turn({ question, answer, questions, answers, ...shared }: TurnOf & Omit<TurnProps, 'message' | 'versions'>) {
    return (
      <div class="turn">
        <Question {...shared} message={question} versions={questions} />
        {answer && <Answer {...shared} message={answer} versions={answers} />}
      </div>
    );
  },
  ({ questions, answers, ...one }, { questions: questions2, answers: answers2, ...other }) =>
    same(questions, questions2) && same(answers, answers2) && same(Object.values(one), Object.values(other)),
);

function same(one: unknown[], other: unknown[]): boolean {
  return one.length === other.length && one.every((each, index) => each === other[index]);
}

/** How many of the last turns are drawn by now: a long conversation is there at once, and whole soon after. */
function useDrawn(id: string, all: number): number {
  const [begun, setBegun] = useState({ id, drawn: DRAWN_AT_ONCE });
  const drawn = begun.id === id ? begun.drawn : DRAWN_AT_ONCE;
  useEffect(() => {
    if (drawn >= all) return;
    const more = () => setBegun({ id, drawn: drawn + DRAWN_AT_ONCE });
    const timer = setTimeout(more, 16); // not when idle: while an answer streams, the browser hardly ever is
    return () => clearTimeout(timer);
  }, [id, drawn, all]);
  return drawn;
}
