/** One message with what can be done about it: a question with its versions, or an answer in whatever state it is. */
import { ChevronLeft, ChevronRight, Pencil, RefreshCw } from 'lucide';
import { Component, type ComponentChildren } from 'preact';
import { flushSync } from 'preact/compat';
import { useContext, useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { Attachments } from './attachments';
import type { Failure } from './completion';
import { useConfig } from './config';
import { type Attachment, isUnderWay, type Message } from './conversation';
import { Evidence } from './evidence';
import { explained, needsReference, noteOf, type WayOut, waiting } from './failures';
import { onceDrawn } from './keys';
import { useListener } from './listen';
import { Action, type ActionProps, Copy, Named } from './parts';
import { Rate } from './rate';
import { Say } from './say';
import { type Asked, isBusy } from './session';
import { texts } from './texts';
import { useSession, useSnapshot, useUser } from './use-session';

const SOON_S = 60;
const ABOUT_FILTER = 'https://go.microsoft.com/fwlink/?linkid=2198766';
/** A question this long would push its answer out of sight. */
const LONG_QUESTION = 3000;
const { conversation } = texts;

export interface TurnProps {
  message: Message;
  /** It and its other versions, oldest first. */
  versions: Message[];
  /** Whether it is the last one, so that what failed can be tried again. */
  last: boolean;
  editing: boolean;
  onEdit: (id: string | null) => void;
  /** Ask something, after what stands above or in place of it; whether it was asked. */
  onAsk: (question: string, asked?: Asked) => boolean;
  /** The next thing that somebody does is to write. */
  onWritten: () => void;
}

export function Question(props: TurnProps) {
  return (
    <Plainly name={conversation.you} kind="user" message={props.message}>
      <Asking {...props} />
    </Plainly>
  );
}

export function Answer(props: TurnProps) {
  return (
    <Plainly name={conversation.assistant} kind="assistant" message={props.message}>
      <Answered {...props} />
    </Plainly>
  );
}

interface PlainlyProps {
  name: string;
  kind: string;
  message: Message;
  children: ComponentChildren;
}

/** A message that cannot be drawn shows its text alone, and takes nothing else away; it is tried again when there is more of it. */
class Plainly extends Component<PlainlyProps, { failed: Message | null }> {
  override state: { failed: Message | null } = { failed: null };

  override componentDidCatch(error: unknown): void {
    console.error(error);
    this.setState({ failed: this.props.message });
  }

  override render({ name, kind, message, children }: PlainlyProps) {
    if (this.state.failed !== message) return children;
    return (
      <article class={kind} aria-label={name} data-state={message.state}>
        <p class="said" dir="auto">
          {String(message.content)}
        </p>
      </article>
    );
  }
}

function Asking(props: TurnProps) {
  const { message, editing, onEdit, onAsk } = props;
  const edit = useRef<HTMLButtonElement>(null);
  const cancel = () => {
    onEdit(null);
    onceDrawn(() => edit.current?.focus());
  };
  const { attachments = [], parent } = message;
  const send = (text: string, files: Attachment[]) => onAsk(text, { parent, attachments: files }) && onEdit(null);
  return (
    <article class="user" aria-label={conversation.you}>
      <h2 class="sr">{conversation.you}</h2>
      {editing ? (
        <Editor message={message} onCancel={cancel} onSend={send} />
      ) : (
        <>
          <Attachments of={attachments} />
          {message.content && <Said key={message.id} text={message.content} />}
        </>
      )}
      {!editing && (
        <Actions {...props}>
          <IdleAction icon={Pencil} name={conversation.edit} button={edit} onClick={() => onEdit(message.id)} />
        </Actions>
      )}
    </article>
  );
}

function Said({ text }: { text: string }) {
  const [whole, setWhole] = useState(text.length <= LONG_QUESTION);
  useListener(window, 'beforeprint', () => flushSync(() => setWhole(true)));
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

function Answered(props: TurnProps) {
  const { message, last, onWritten } = props;
  const session = useSession();
  const note = noteOf(message);
  const under = isUnderWay(message);
  const regenerate = () => {
    session.regenerate(message);
    onWritten();
  };
  const continued = message.finish === 'length' || (message.state === 'stopped' && message.content !== '');
  return (
    <article class="assistant" aria-label={conversation.assistant} data-state={message.state} aria-busy={under}>
      <h2 class="sr">{conversation.assistant}</h2>
      {message.state === 'sending' && <Waiting />}
      <Evidence message={message} />
      {note && (
        <p class="note">
          {note}{' '}
          {continued && last && (
            <button type="button" class="quiet small" onClick={() => session.goOn(message, texts.waysOut.continue)}>
              {texts.waysOut.continue}
            </button>
          )}
        </p>
      )}
      {message.state === 'limited' && message.failure?.retryAt && last ? (
        <Limited key={message.id} question={message.parent} until={message.failure.retryAt} onRetry={regenerate} />
      ) : (
        message.failure && <Failed {...props} failure={message.failure} onRegenerate={regenerate} />
      )}
      {!under && (
        <Actions {...props}>
          {!(message.failure && last) && <IdleAction icon={RefreshCw} name={conversation.regenerate} onClick={regenerate} />}
          {message.content && <Rate message={message} />}
          {message.usage && (
            <span class="usage" title={conversation.tokensOf(message.usage.prompt_tokens, message.usage.completion_tokens)}>
              {conversation.tokens(message.usage.total_tokens)}
            </span>
          )}
        </Actions>
      )}
      {message.state === 'done' && last && <FollowUps {...props} />}
    </article>
  );
}

/** What may be asked next, as the API proposes. */
function FollowUps({ onAsk }: TurnProps) {
  const { follow_ups } = useConfig();
  if (!follow_ups.length) return null;
  return (
    <ul class="follow-ups" aria-label={conversation.followUps}>
      {follow_ups.map((question) => (
        <li key={question}>
          <button type="button" class="button plain small" onClick={() => onAsk(question)}>
            {question}
          </button>
        </li>
      ))}
    </ul>
  );
}

function Actions({ message, versions, children }: TurnProps & { children: ComponentChildren }) {
  const say = useContext(Say);
  return (
    <div class="actions">
      {versions.length > 1 && <Versions message={message} versions={versions} />}
      {message.content && <Copy text={message.content} label={conversation.copy} icon say={say} />}
      {children}
    </div>
  );
}

/** One that cannot be taken while an answer is under way; drawn alone when that changes, as it does in every turn. */
function IdleAction(props: ActionProps) {
  return <Action {...props} disabled={useSnapshot(isBusy)} />;
}

function Versions({ message, versions }: Pick<TurnProps, 'message' | 'versions'>) {
  const session = useSession();
  const busy = useSnapshot(isBusy);
  const at = versions.findIndex(({ id }) => id === message.id);
  const page = (by: 1 | -1, name: string, icon: typeof ChevronLeft) => {
    const other = busy ? undefined : versions[at + by];
    return <Action icon={icon} name={name} ariaDisabled={!other} onClick={() => other && session.show(other)} />;
  };
  return (
    <span class="versions">
      {page(-1, conversation.previous, ChevronLeft)}
      {conversation.version(at + 1, versions.length)}
      {page(1, conversation.next, ChevronRight)}
    </span>
  );
}

interface EditorProps {
  message: Message;
  onSend: (text: string, attachments: Attachment[]) => void;
  onCancel: () => void;
}

function Editor({ message, onSend, onCancel }: EditorProps) {
  const busy = useSnapshot(isBusy);
  const [text, setText] = useState(message.content);
  const [attachments, setAttachments] = useState(message.attachments ?? []);
  const empty = !text.trim() && !attachments.length;
  const field = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => field.current!.focus(), []);
  const send = () => {
    if (!empty && !busy) onSend(text, attachments);
  };
  const remove = (index: number) => {
    setAttachments(attachments.toSpliced(index, 1));
    field.current!.focus();
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
      <Attachments of={attachments} onRemove={remove} />
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
        <button type="submit" disabled={empty || busy}>
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

function Failed({ message, failure, last, onEdit, onWritten, onRegenerate }: TurnProps & { failure: Failure; onRegenerate: () => void }) {
  const say = useContext(Say);
  const user = useUser();
  const session = useSession();
  const partial = message.content !== '';
  const { text, ways } = explained(failure, partial);
  const go: Record<Exclude<WayOut, 'access'>, () => void> = {
    edit: () => onEdit(message.parent),
    retry: onRegenerate,
    regenerate: onRegenerate,
    continue: () => session.goOn(message, texts.waysOut.continue),
    start() {
      session.start();
      onWritten();
    },
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
