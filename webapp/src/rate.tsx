/** What somebody thinks of an answer: a thumb, and for a bad one why. The API learns no word of the answer. */
import { ThumbsDown, ThumbsUp } from 'lucide';
import { useContext, useRef, useState } from 'preact/hooks';
import { rate } from './completion';
import type { Message, Rating } from './conversation';
import { Action } from './parts';
import { Say } from './say';
import { texts } from './texts';
import { useSession } from './use-session';

const { conversation } = texts;
const inSight = (asked: HTMLElement | null) => asked?.scrollIntoView({ block: 'nearest' });

export function Rate({ message }: { message: Message }) {
  const say = useContext(Say);
  const session = useSession();
  const [asking, setAsking] = useState(false);
  const [sending, setSending] = useState(false);
  const [failed, setFailed] = useState(false);
  const bad = useRef<HTMLButtonElement>(null);
  const { request, rating } = message;
  if (!request) return null; // of a chat from elsewhere, or from before
  const send = async (given: Rating, reason = '') => {
    if (sending) return; // a double click
    close();
    setSending(true);
    const sent = await rate(request, given, reason);
    setSending(false);
    setFailed(!sent);
    if (!sent) return;
    say(conversation.thanks);
    session.rate(message, given);
  };
  const close = () => {
    if (asking) bad.current!.focus();
    setAsking(false);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== 'Escape') return;
    event.stopPropagation();
    close();
  };
  return (
    <span class="rate">
      <Action icon={ThumbsUp} name={conversation.good} pressed={rating === 'up'} onClick={() => rating !== 'up' && void send('up')} />
      <Action
        icon={ThumbsDown}
        name={conversation.bad}
        button={bad}
        pressed={rating === 'down'}
        expanded={asking}
        onClick={() => setAsking(!asking)}
      />
      {failed && (
        <span class="note" role="alert">
          {conversation.notRated}
        </span>
      )}
      {asking && (
        <fieldset class="reasons" ref={inSight} onKeyDown={onKeyDown}>
          <legend>{conversation.whyBad}</legend>
          {Object.entries(conversation.reasons).map(([reason, words]) => (
            <button key={reason} type="button" class="button plain small" onClick={() => void send('down', reason)}>
              {words}
            </button>
          ))}
        </fieldset>
      )}
    </span>
  );
}
