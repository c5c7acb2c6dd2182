/** The chat: conversation, composer, and the one answer that may be under way. */
import { useEffect, useLayoutEffect, useReducer, useRef, useState } from 'preact/hooks';
import { complete, isAbort, Problem } from './completion';
import { config, useConfig } from './config';
import { context, reduce, type Turn } from './conversation';
import { Markdown } from './markdown';
import * as texts from './texts';
import { currentUser, LOG_OUT, SIGN_IN, type User } from './user';

export function App() {
  const [turns, dispatch] = useReducer(reduce, []);
  const [user, setUser] = useState<User | null>(null);
  const [draft, setDraft] = useState(keptDraft);
  const running = useRef<AbortController | null>(null);
  const message = useRef<HTMLTextAreaElement>(null);
  const last = turns.at(-1);
  const busy = last?.state === 'sending' || last?.state === 'streaming';

  useEffect(() => void currentUser().then(setUser), []);
  useEffect(() => {
    const abort = () => running.current?.abort();
    addEventListener('pagehide', abort);
    return () => removeEventListener('pagehide', abort);
  }, []);

  async function answer(asked: Turn[]) {
    const abort = new AbortController();
    running.current = abort;
    let text = '';
    let frame = 0;
    const draw = () => {
      frame = 0;
      dispatch({ type: 'answer', text });
    };
    const settle = (end: Parameters<typeof dispatch>[0]) => {
      cancelAnimationFrame(frame);
      if (running.current !== abort) return; // the chat was cleared meanwhile
      if (text) draw();
      dispatch(end);
    };
    try {
      for await (const progress of complete({ messages: context(asked), delivery: (await config).delivery }, abort.signal)) {
        if ('finish' in progress) dispatch({ type: 'finish', reason: progress.finish });
        else text += progress.text;
        frame ||= requestAnimationFrame(draw);
      }
      settle({ type: 'end', state: 'done' });
    } catch (error) {
      if (isAbort(error)) settle({ type: 'end', state: 'stopped' });
      else if (error instanceof Problem) {
        if (error.code === 'signed_out') sessionStorage.setItem(DRAFT, asked.at(-1)!.question);
        settle({ type: 'end', state: text ? 'interrupted' : 'failed', problem: error });
      } else throw error;
    }
  }

  function ask(question: string) {
    const text = question.trim();
    if (!text || busy) return;
    const action = { type: 'ask', question: text } as const;
    dispatch(action);
    setDraft('');
    message.current?.focus();
    void answer(reduce(turns, action));
  }

  function retry() {
    const action = { type: 'retry' } as const;
    dispatch(action);
    void answer(reduce(turns, action));
  }

  function newChat() {
    running.current?.abort();
    running.current = null;
    dispatch({ type: 'clear' });
    message.current?.focus();
  }

  return (
    <>
      <a class="skip" href="#message">
        Skip to message box
      </a>
      <header>
        <span class="name">{texts.TITLE}</span>
        <button type="button" class="quiet" onClick={newChat}>
          New chat
        </button>
        {user && <Account user={user} />}
      </header>
      <main>
        <h1 class="sr">{turns[0]?.question.slice(0, 48) ?? 'New chat'}</h1>
        <Conversation turns={turns} onAsk={ask} onRetry={retry} />
      </main>
      <p class="sr" role="status">
        {last ? texts.STATUS[last.state] : ''}
      </p>
      <Composer draft={draft} busy={busy} field={message} onDraft={setDraft} onAsk={ask} onStop={() => running.current?.abort()} />
    </>
  );
}

const DRAFT = 'draft';

/** What was asked when the session had ended, once, after signing in again. */
function keptDraft(): string {
  const kept = sessionStorage.getItem(DRAFT) ?? '';
  sessionStorage.removeItem(DRAFT);
  return kept;
}

function Account({ user }: { user: User }) {
  return (
    <>
      <button type="button" class="quiet account" popovertarget="account">
        {user.userDetails}
      </button>
      <div id="account" popover="auto" class="menu">
        <a href={LOG_OUT}>Log out</a>
      </div>
    </>
  );
}

function Conversation({ turns, onAsk, onRetry }: { turns: Turn[]; onAsk: (question: string) => void; onRetry: () => void }) {
  const log = useRef<HTMLDivElement>(null);
  const follows = useRef(true);
  const onScroll = () => {
    const box = log.current!;
    follows.current = box.scrollHeight - box.scrollTop - box.clientHeight < 48;
  };
  useLayoutEffect(() => {
    follows.current = true;
  }, [turns.length]);
  useLayoutEffect(() => {
    if (turns.length && follows.current) log.current!.scrollTop = log.current!.scrollHeight;
  });
  return (
    <div class="log" role="log" aria-label="Conversation" aria-live="off" tabIndex={0} ref={log} onScroll={onScroll}>
      <div class="column">
        {turns.length === 0 && <Welcome onAsk={onAsk} />}
        {turns.map((turn, index) => (
          <TurnView key={index} turn={turn} onRetry={index === turns.length - 1 ? onRetry : null} />
        ))}
      </div>
    </div>
  );
}

function Welcome({ onAsk }: { onAsk: (question: string) => void }) {
  const { suggestions } = useConfig();
  return (
    <section class="welcome" aria-labelledby="greeting">
      <h2 id="greeting">{texts.GREETING}</h2>
      <ul>
        {(suggestions.length ? suggestions : texts.SUGGESTIONS).map((question) => (
          <li key={question}>
            <button type="button" aria-label={`Ask: ${question}`} onClick={() => onAsk(question)}>
              {question}
            </button>
          </li>
        ))}
      </ul>
      <p class="usage">{texts.USAGE}</p>
    </section>
  );
}

function TurnView({ turn, onRetry }: { turn: Turn; onRetry: (() => void) | null }) {
  const note = turn.state === 'stopped' ? 'You stopped this answer.' : turn.finish ? texts.FINISHES[turn.finish] : undefined;
  return (
    <>
      <article class="user" aria-label="You said">
        <h2 class="sr">You said</h2>
        <p dir="auto">{turn.question}</p>
      </article>
      <article class="assistant" aria-label="Assistant said" data-state={turn.state} aria-busy={turn.state === 'streaming'}>
        <h2 class="sr">Assistant said</h2>
        {turn.state === 'sending' && <Waiting />}
        <div class="markdown" dir="auto">
          <Markdown text={turn.answer} />
        </div>
        {note && <p class="note">{note}</p>}
        {turn.problem && <Failure problem={turn.problem} partial={turn.answer !== ''} onRetry={onRetry} />}
      </article>
    </>
  );
}

function Waiting() {
  return (
    <p class="dots" aria-hidden="true">
      <i /> <i /> <i />
    </p>
  );
}

function Failure({ problem, partial, onRetry }: { problem: Problem; partial: boolean; onRetry: (() => void) | null }) {
  return (
    <div class="failure" role="alert">
      <p>{texts.explain(problem, partial)}</p>
      {problem.code === 'signed_out' && <p>{texts.SIGNED_OUT}</p>}
      {texts.needsReference(problem, partial) && (
        <p class="reference">
          Reference: <code>{problem.requestId}</code>
        </p>
      )}
      {problem.code === 'signed_out' ? (
        <a class="button" href={SIGN_IN}>
          Sign in
        </a>
      ) : (
        onRetry && (
          <button type="button" onClick={onRetry}>
            {partial ? 'Regenerate answer' : 'Retry'}
          </button>
        )
      )}
    </div>
  );
}

interface ComposerProps {
  draft: string;
  busy: boolean;
  field: { current: HTMLTextAreaElement | null };
  onDraft: (text: string) => void;
  onAsk: (question: string) => void;
  onStop: () => void;
}

function Composer({ draft, busy, field, onDraft, onAsk, onStop }: ComposerProps) {
  // While an input method composes, Enter chooses a word; 229 is how older browsers say so.
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing && event.keyCode !== 229) {
      event.preventDefault();
      onAsk(draft);
    }
    if (event.key === 'Escape' && busy) onStop();
  };
  const onSubmit = (event: Event) => {
    event.preventDefault();
    if (busy) onStop();
    else onAsk(draft);
  };
  return (
    <form class="composer" aria-label="Send a message" onSubmit={onSubmit}>
      <div class="box">
        <label class="sr" for="message">
          Message
        </label>
        <textarea
          id="message"
          ref={field}
          rows={1}
          autofocus
          placeholder="Press shift-enter for multi line"
          value={draft}
          onInput={(event) => onDraft(event.currentTarget.value)}
          onKeyDown={onKeyDown}
          dir="auto"
        />
        <button>{busy ? 'Stop generating' : 'Send'}</button>
      </div>
      <p class="footer">{texts.FOOTER}</p>
    </form>
  );
}
