/** The conversation: its turns, drawn from the last one upwards, and where it is scrolled to. */
import { ArrowDown } from 'lucide';
import { memo } from 'preact/compat';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Conversation, Message } from './conversation';
import { useFollow } from './follow';
import { Icon } from './icons';
import { texts } from './texts';
import { Answer, Question, type TurnProps } from './turn';
import { useSession, useSnapshot } from './use-session';
import { Welcome } from './welcome';

/** So many turns are drawn at once, fewer where they are long; the ones before them when there is time. */
const AT_ONCE = { turns: 6, characters: 10_000 };

interface LogProps {
  editing: string | null;
  onEdit: TurnProps['onEdit'];
  onAsk: TurnProps['onAsk'];
  onWritten: () => void;
}

/** A new question goes to the top and its answer fills the room below it; who scrolls to the end is kept there. */
export function Log({ editing, ...doing }: LogProps) {
  const session = useSession();
  const open = useSnapshot((now) => now.open);
  const messages = useSnapshot((now) => now.messages);
  const lost = useSnapshot((now) => now.lost);
  const box = useRef<HTMLDivElement>(null);
  const following = useFollow(box);
  const turns = useMemo(() => turnsOf(open, messages), [open, messages]);
  const undrawn = useUndrawn(open.id, turns);
  const last = turns.at(-1)?.question.id;
  useLayoutEffect(following.grewAbove, [undrawn]);
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
          {turns.slice(undrawn).map((turn, index, shown) => (
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
          onClick={() => following.toEnd(session.snapshot.busy)}
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

/** How many of the first turns are not drawn yet: a long conversation is there at once, and whole soon after. */
function useUndrawn(id: string, turns: TurnOf[]): number {
  const [, draw] = useState({});
  const at = useRef({ id, undrawn: Number.POSITIVE_INFINITY });
  if (at.current.id !== id) at.current = { id, undrawn: Number.POSITIVE_INFINITY };
  at.current.undrawn = Math.min(at.current.undrawn, above(turns, turns.length)); // what was drawn stays, whatever comes below
  const { undrawn } = at.current;
  useEffect(() => {
    if (undrawn === 0) return;
    const more = () => {
      at.current.undrawn = above(turns, undrawn);
      draw({});
    };
    const timer = setTimeout(more, 16); // not when idle: while an answer streams, the browser hardly ever is
    return () => clearTimeout(timer);
  }, [id, undrawn]);
  return undrawn;
}

/** How many turns stay undrawn when those before `end` are drawn that can be at once. */
function above(turns: TurnOf[], end: number): number {
  let [from, length] = [end, 0];
  while (from > 0 && end - from < AT_ONCE.turns) {
    const { question, answer } = turns[from - 1]!;
    length += question.content.length + (answer?.content.length ?? 0);
    if (from < end && length > AT_ONCE.characters) break;
    from--;
  }
  return from;
}
