/** One message with what can be done about it: a question with its versions, or an answer in whatever state it is. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Chat } from './chat';
import type { Failure } from './completion';
import { versions, type Message } from './conversation';
import { Markdown } from './markdown';
import { explained, needsReference, waiting, type WayOut } from './failures';
import { texts } from './texts';
import { Named } from './parts';
import type { User } from './user';

const SOON_S = 60;
const ABOUT_FILTER = 'https://go.microsoft.com/fwlink/?linkid=2198766';
const { conversation } = texts;

export interface TurnProps {
  chat: Chat;
  message: Message;
  user: User | null;
  /** Whether it is the last one, so that what failed can be tried again. */
  last: boolean;
  editing: boolean;
  onEdit: (id: string | null) => void;
  say: (status: string) => void;
}

export function Question(props: TurnProps) {
  const { chat, message, editing, onEdit } = props;
  return (
    <article class="user" aria-label={conversation.you}>
      <h2 class="sr">{conversation.you}</h2>
      {editing ? (
        <Editor message={message} onCancel={() => onEdit(null)} onSend={(text) => (onEdit(null), chat.ask(text, message.parent))} />
      ) : (
        <p class="said" dir="auto">
          {message.content}
        </p>
      )}
      {!editing && (
        <Actions {...props}>
          <button type="button" class="quiet small" disabled={chat.busy} onClick={() => onEdit(message.id)}>
            {conversation.edit}
          </button>
        </Actions>
      )}
    </article>
  );
}

export function Answer(props: TurnProps) {
  const { chat, message, last } = props;
  const note = message.state === 'stopped' ? conversation.stopped : message.finish ? conversation.finishes[message.finish] : undefined;
  const under = message.state === 'sending' || message.state === 'streaming';
  return (
    <article class="assistant" aria-label={conversation.assistant} data-state={message.state} aria-busy={under}>
      <h2 class="sr">{conversation.assistant}</h2>
      {message.state === 'sending' && <Waiting />}
      <div class="markdown" dir="auto">
        <Markdown text={message.content} />
      </div>
      {note && (
        <p class="note">
          {note}{' '}
          {message.finish === 'length' && last && (
            <button type="button" class="quiet small" onClick={() => chat.ask(texts.waysOut.continue)}>
              {texts.waysOut.continue}
            </button>
          )}
        </p>
      )}
      {message.state === 'limited' && message.failure?.retryAt && last ? (
        <Limited key={message.id} until={message.failure.retryAt} say={props.say} onRetry={() => chat.regenerate(message)} />
      ) : (
        message.failure && <Failed {...props} failure={message.failure} />
      )}
      {!under && (
        <Actions {...props}>
          {!(message.failure && last) && (
            <button type="button" class="quiet small" disabled={chat.busy} onClick={() => chat.regenerate(message)}>
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

function Actions({ chat, message, say, children }: TurnProps & { children: preact.ComponentChildren }) {
  const all = versions(chat.open, message);
  const at = all.findIndex(({ id }) => id === message.id);
  const copy = () => navigator.clipboard.writeText(message.content).then(() => say(texts.copied));
  const turn = (by: number) => chat.show(all[at + by]!);
  return (
    <div class="actions">
      {all.length > 1 && (
        <span class="versions">
          <button type="button" class="quiet small" aria-label={conversation.previous} disabled={at === 0 || chat.busy} onClick={() => turn(-1)}>
            ‹
          </button>
          {conversation.version(at + 1, all.length)}
          <button
            type="button"
            class="quiet small"
            aria-label={conversation.next}
            disabled={at === all.length - 1 || chat.busy}
            onClick={() => turn(1)}
          >
            ›
          </button>
        </span>
      )}
      {message.content && (
        <button type="button" class="quiet small" onClick={copy}>
          {conversation.copy}
        </button>
      )}
      {children}
    </div>
  );
}

function Editor({ message, onSend, onCancel }: { message: Message; onSend: (text: string) => void; onCancel: () => void }) {
  const [text, setText] = useState(message.content);
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => field.current!.focus(), []);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== 'Escape') return;
    event.stopPropagation();
    onCancel();
  };
  return (
    <form class="editor" aria-label={conversation.edit} onSubmit={(event) => (event.preventDefault(), onSend(text))} onKeyDown={onKeyDown}>
      <textarea ref={field} aria-label={conversation.yourMessage} value={text} dir="auto" onInput={(event) => setText(event.currentTarget.value)} />
      <div class="row">
        <button type="button" class="quiet" onClick={onCancel}>
          {texts.cancel}
        </button>
        <button disabled={!text.trim()}>{conversation.sendAgain}</button>
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

function Failed({ chat, message, failure, user, last, onEdit, say }: TurnProps & { failure: Failure }) {
  const partial = message.content !== '';
  const { text, ways } = explained(failure, partial);
  const go: Record<WayOut, () => void> = {
    edit: () => onEdit(message.parent),
    retry: () => chat.regenerate(message),
    regenerate: () => chat.regenerate(message),
    continue: () => chat.ask(texts.waysOut.continue),
    start: chat.start,
    access: () =>
      void navigator.clipboard
        .writeText(texts.requestForAccess(user?.userDetails ?? '', user?.userId ?? '', location.origin))
        .then(() => say(texts.copied)),
  };
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
      {last && (
        <div class="row">
          {ways.map((way, index) => (
            <button key={way} type="button" class={index ? 'button plain' : ''} onClick={go[way]}>
              {texts.waysOut[way]}
            </button>
          ))}
        </div>
      )}
    </div>
  );
}

/** A limit with the time until it ends. A short one is tried again by itself, once, while somebody looks. */
function Limited({ until, onRetry, say }: { until: number; onRetry: () => void; say: (status: string) => void }) {
  const left = () => Math.max(0, Math.ceil((until - Date.now()) / 1000));
  const [seconds, setSeconds] = useState(left);
  const [auto, setAuto] = useState(() => left() > 0 && left() <= SOON_S && !retried.has(until) && document.visibilityState === 'visible');
  useEffect(() => {
    const timer = setInterval(() => setSeconds(left()), 250);
    return () => clearInterval(timer);
  }, [until]);
  useEffect(() => {
    if (auto && (seconds === left() || seconds === 10 || seconds === 5)) say(texts.limit.retryingIn(seconds));
    if (seconds > 0 || !auto) return;
    retried.add(until);
    onRetry();
  }, [seconds === 0, seconds === 10, seconds === 5, auto]);
  return (
    <div class="failure limited" role="alert">
      <p>{waiting(seconds)}</p>
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

const retried = new Set<number>();
