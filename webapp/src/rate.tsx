/** What somebody thinks of an answer: a thumb, and for a bad one why. The API learns no word of the answer. */
import { ThumbsDown, ThumbsUp } from 'lucide';
import { useContext, useState } from 'preact/hooks';
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
  const { request, rating } = message;
  if (!request) return null; // of a chat from elsewhere, or from before
  const send = async (given: Rating, reason = '') => {
    setAsking(false);
    const sent = await rate(request, given, reason);
    say(sent ? conversation.thanks : conversation.notRated);
    if (sent) session.rate(message, given);
  };
  return (
    <span class="rate">
      <Action icon={ThumbsUp} name={conversation.good} pressed={rating === 'up'} onClick={() => void send('up')} />
      <Action icon={ThumbsDown} name={conversation.bad} pressed={rating === 'down'} onClick={() => setAsking(!asking)} />
      {asking && (
        <fieldset class="reasons" ref={inSight}>
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
