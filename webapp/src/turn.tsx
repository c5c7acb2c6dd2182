/** One message with what can be done about it: a question with its versions, or an answer in whatever state it is. */
import { useContext, useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Chat } from './chat';
import type { Failure } from './completion';
import { type Message, versions } from './conversation';
import { explained, needsReference, type WayOut, waiting } from './failures';
import { onceDrawn } from './keys';
import { known } from './known';
import { Markdown } from './markdown';
import { Copy, Named } from './parts';
import { Say } from './say';
import { texts } from './texts';
import type { User } from './user';

const SOON_S = 60;
const ABOUT_FILTER = 'https://go.microsoft.com/fwlink/?linkid=2198766';
/** A question this long would push its answer out of sight. */
const LONG_QUESTION = 3000;
const { conversation } = texts;

export interface TurnProps {
  chat: Chat;
  message: Message;
  user: User | null | undefined;
  /** Whether it is the last one, so that what failed can be tried again. */
  last: boolean;
  editing: boolean;
  onEdit: (id: string | null) => void;
  /** Ask something, after what stands above or in place of it; whether it was asked. */
  onAsk: (question: string, parent?: string | null) => boolean;
  onRegenerate: (answer: Message) => void;
  onStart: () => void;
}

export function Question(props: TurnProps) {
  const { chat, message, editing, onEdit, onAsk } = props;
  const edit = useRef<HTMLButtonElement>(null);
  const cancel = () => {
    onEdit(null);
    onceDrawn(() => edit.current?.focus());
  };
  return (
    <article class="user" aria-label={conversation.you}>
      <h2 class="sr">{conversation.you}</h2>
      {editing ? (
        <Editor message={message} busy={chat.busy} onCancel={cancel} onSend={(text) => onAsk(text, message.parent) && onEdit(null)} />
      ) : (
        <Said key={message.id} text={message.content} />
      )}
      {!editing && (
        <Actions {...props}>
          <button type="button" class="quiet small" ref={edit} disabled={chat.busy} onClick={() => onEdit(message.id)}>
            {conversation.edit}
          </button>
        </Actions>
      )}
    </article>
  );
}

function Said({ text }: { text: string }) {
  const [whole, setWhole] = useState(text.length <= LONG_QUESTION);
  return (
    <p class="said" dir="auto">
      {whole ? text : `${text.slice(0, LONG_QUESTION)}… `}
      {!whole && (
        <button type="button" class="quiet small" onClick={() => setWhole(true)}>
          {conversation.showAll}
        </button>
      )}
    </p>
  );
}

export function Answer(props: TurnProps) {
  const { chat, message, last, onAsk, onRegenerate } = props;
  const note =
    message.state === 'stopped' ? conversation.stopped : message.finish ? known(conversation.finishes, message.finish) : undefined;
  const under = message.state === 'sending' || message.state === 'streaming';
  return (
    <article class="assistant" aria-label={conversation.assistant} data-state={message.state} aria-busy={under}>
      <h2 class="sr">{conversation.assistant}</h2>
      {message.state === 'sending' && <Waiting />}
      <div class="markdown" dir="auto">
        <Markdown key={message.id} text={message.content} />
      </div>
      {note && (
        <p class="note">
          {note}{' '}
          {message.finish === 'length' && last && (
            <button type="button" class="quiet small" onClick={() => onAsk(texts.waysOut.continue)}>
              {texts.waysOut.continue}
            </button>
          )}
        </p>
      )}
      {message.state === 'limited' && message.failure?.retryAt && last ? (
        <Limited key={message.id} question={message.parent} until={message.failure.retryAt} onRetry={() => onRegenerate(message)} />
      ) : (
        message.failure && <Failed {...props} failure={message.failure} />
      )}
      {!under && (
        <Actions {...props}>
          {!(message.failure && last) && (
            <button type="button" class="quiet small" disabled={chat.busy} onClick={() => onRegenerate(message)}>
              {conversation.regenerate}
            </button>
          )}
          {message.usage && (
            <span class="usage" title={conversation.tokensOf(message.usage.prompt_tokens, message.usage.completion_tokens)}>
              {conversation.tokens(message.usage.total_tokens)}
            </span>
          )}
        </Actions>
      )}
    </article>
  );
}

function Actions({ chat, message, children }: TurnProps & { children: preact.ComponentChildren }) {
  const say = useContext(Say);
  const all = versions(chat.open, message);
  const at = all.findIndex(({ id }) => id === message.id);
  const page = (by: 1 | -1, label: string, sign: string) => {
    const other = chat.busy ? undefined : all[at + by];
    return (
      <button type="button" class="quiet small" aria-label={label} aria-disabled={!other} onClick={() => other && chat.show(other)}>
        {sign}
      </button>
    );
  };
  return (
    <div class="actions">
      {all.length > 1 && (
        <span class="versions">
          {page(-1, conversation.previous, '‹')}
          {conversation.version(at + 1, all.length)}
          {page(1, conversation.next, '›')}
        </span>
      )}
      {message.content && <Copy text={message.content} label={conversation.copy} class="quiet small" say={say} />}
      {children}
    </div>
  );
}

interface EditorProps {
  message: Message;
  busy: boolean;
  onSend: (text: string) => void;
  onCancel: () => void;
}

function Editor({ message, busy, onSend, onCancel }: EditorProps) {
  const [text, setText] = useState(message.content);
  const field = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => field.current!.focus(), []);
  const send = () => {
    if (text.trim() && !busy) onSend(text);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) send();
    if (event.key !== 'Escape') return;
    event.stopPropagation();
    onCancel();
  };
  return (
    <form
      class="editor"
      aria-label={conversation.edit}
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
      onKeyDown={onKeyDown}
    >
      <textarea
        ref={field}
        aria-label={conversation.yourMessage}
        value={text}
        dir="auto"
        onInput={(event) => setText(event.currentTarget.value)}
      />
      <div class="row">
        <button type="button" class="quiet" onClick={onCancel}>
          {texts.cancel}
        </button>
        <button type="submit" disabled={!text.trim() || busy}>
          {conversation.sendAgain}
        </button>
      </div>
    </form>
  );
}

/** The dots come a moment later, so that a quick answer does not flicker, and a word when it takes long. */
function Waiting() {
  const [waited, setWaited] = useState(0);
  useEffect(() => {
    const timers = [300, 10_000].map((ms) => setTimeout(() => setWaited(ms), ms));
    return () => timers.forEach(clearTimeout);
  }, []);
  return (
    <p class="dots">
      <span aria-hidden="true" hidden={!waited}>
        <i /> <i /> <i />
      </span>
      {waited === 10_000 && <span class="note">{conversation.stillWaiting}</span>}
    </p>
  );
}

function Failed({ message, failure, user, last, onEdit, onAsk, onRegenerate, onStart }: TurnProps & { failure: Failure }) {
  const say = useContext(Say);
  const partial = message.content !== '';
  const { text, ways } = explained(failure, partial);
  const go: Record<Exclude<WayOut, 'access'>, () => void> = {
    edit: () => onEdit(message.parent),
    retry: () => onRegenerate(message),
    regenerate: () => onRegenerate(message),
    continue: () => onAsk(texts.waysOut.continue),
    start: onStart,
  };
  const request = texts.requestForAccess(texts.title, user?.userDetails ?? '', user?.userId ?? '', location.origin);
  return (
    <div class="failure" role="alert">
      <p>{text}</p>
      {failure.code === 'forbidden' && user && (
        <p>
          <Named parts={texts.failures.noRoleYet(user.userDetails)} />
        </p>
      )}
      {failure.code === 'content_filter' && !partial && (
        <p>
          <a href={ABOUT_FILTER} target="_blank" rel="noopener noreferrer">
            {texts.failures.aboutFilter}
          </a>
        </p>
      )}
      {needsReference(failure, partial) && (
        <p class="reference">
          {texts.failures.reference} <code>{failure.requestId}</code>
        </p>
      )}
      {last && ways.length > 0 && (
        <div class="row">
          {ways.map((way, index) =>
            way === 'access' ? (
              <Copy key={way} text={request} label={texts.waysOut.access} say={say} />
            ) : (
              <button key={way} type="button" class={index ? 'button plain' : ''} onClick={go[way]}>
                {texts.waysOut[way]}
              </button>
            ),
          )}
        </div>
      )}
    </div>
  );
}

/** A limit with the time until it ends. A short one is tried again by itself, once a question, while somebody looks. */
function Limited({ question, until, onRetry }: { question: string | null; until: number; onRetry: () => void }) {
  const say = useContext(Say);
  const left = () => Math.max(0, Math.ceil((until - Date.now()) / 1000));
  const [seconds, setSeconds] = useState(left);
  const [first] = useState(seconds);
  const [auto, setAuto] = useState(() => first > 0 && first <= SOON_S && !retried.has(question) && document.visibilityState === 'visible');
  useEffect(() => {
    const timer = setInterval(() => setSeconds(left()), 250);
    return () => clearInterval(timer);
  }, [until]);
  useEffect(() => {
    if (auto && [first, 10, 5, 0].includes(seconds)) say(texts.limit.retryingIn(seconds));
    if (seconds > 0 || !auto) return;
    retried.add(question);
    if (document.visibilityState === 'visible') onRetry();
  }, [seconds, auto]);
  const [fact, time] = waiting(seconds);
  return (
    <div class="failure limited">
      <p>
        <span role="alert">{fact}</span> {/* the clock is no news each second */}
        <span role="timer" aria-live="off">
          {time}
        </span>
      </p>
      <div class="row">
        <button type="button" disabled={seconds > 0} onClick={onRetry}>
          {texts.limit.retryNow}
        </button>
        {auto && seconds > 0 && (
          <button type="button" class="quiet" onClick={() => setAuto(false)}>
            {texts.cancel}
          </button>
        )}
      </div>
    </div>
  );
}

/** The questions whose limit has been waited for already. */
const retried = new Set<string | null>();
