/** The chat's screen: chats at the side, the conversation, the composer, and the dialogs over them. */
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { type Chat, useChat } from './chat';
import { Composer } from './composer';
import { useConfig } from './config';
import { type Conversation, isUnderWay, type Message } from './conversation';
import { Confirm, Settings, Shortcuts, SignedOut, UsageNotes } from './dialogs';
import { download, type Format } from './file';
import { History } from './history';
import { onceDrawn, useShortcuts } from './keys';
import { useListener } from './listen';
import { Usage } from './parts';
import { USUAL, usePreferences } from './preferences';
import { Say } from './say';
import { texts } from './texts';
import { Answer, Question, type TurnProps } from './turn';
import { currentUser, LOG_OUT, type User } from './user';

type Open = 'settings' | 'usage' | 'keys' | 'clear' | 'wipe' | null;

export function App() {
  const [user, setUser] = useState<User | null>();
  const [preferences, choose] = usePreferences();
  const config = useConfig();
  const chat = useChat(user, preferences);
  const [draft, setDraft] = useState(firstDraft);
  const [dialog, setDialog] = useState<Open>(null);
  const [drawer, setDrawer] = useState(false);
  const [editing, setEditing] = useState<string | null>(null);
  const [said, setSaid] = useState('');
  const [undo, setUndo] = useState<(() => void) | null>(null);
  const online = useOnline();
  useListener(NARROW, 'change', () => setDrawer(false));
  const message = useRef<HTMLTextAreaElement>(null);
  const search = useRef<HTMLInputElement>(null);
  const last = chat.messages.at(-1);
  const menu = useRef<HTMLButtonElement>(null);
  // Not of a turn that is kept from before: who opens it may be signed in again.
  const signedOut = last?.failure?.code === 'signed_out' && last.at > LOADED_AT;

  /** Cleared first, so that the same words are heard again. */
  const say = useCallback((status: string) => {
    setSaid('');
    requestAnimationFrame(() => setSaid(status));
  }, []);
  const write = () => message.current?.focus();

  useEffect(() => {
    void currentUser().then((found) => setUser((before) => before ?? found)); // somebody else's chats never follow in the same page
  }, [online]);
  useListener(window, 'pagehide', () => draft.trim() && sessionStorage.setItem(DRAFT, draft));
  useEffect(() => {
    if (last) setSaid(texts.status[last.state]);
  }, [last?.id, last?.state]);
  useEffect(() => {
    const question = chat.messages.at(-2)?.content;
    if (signedOut && question) sessionStorage.setItem(DRAFT, question);
  }, [signedOut]);
  useEffect(() => {
    if (!undo) return;
    const timer = setTimeout(() => setUndo(null), 10_000);
    return () => clearTimeout(timer);
  }, [undo]);
  useEffect(() => {
    document.title = chat.open.title ? `${chat.open.title} – ${texts.title}` : texts.title;
  }, [chat.open.title]);

  const start = () => {
    chat.start();
    setDrawer(false);
    write();
  };
  const ask = (question: string, parent?: string | null) => {
    const asked = chat.ask(question, parent);
    if (asked) write();
    return asked;
  };
  const send = (question: string) => ask(question) && setDraft('');
  const regenerate = (answer: Message) => {
    chat.regenerate(answer);
    write();
  };
  const remove = ({ id }: Conversation) => {
    const back = chat.remove(id);
    setUndo(() => back);
    say(texts.chats.deleted);
    if (drawer) search.current?.focus();
    else write();
  };
  const wipe = () => {
    setUndo(null);
    setDraft('');
    sessionStorage.removeItem(DRAFT);
    void chat.wipe().then(() => choose(USUAL)); // which may load the page anew, in the usual language
    write();
  };
  const closeDrawer = (focus: () => void) => {
    setDrawer(false);
    onceDrawn(focus);
  };
  const editLast = () => setEditing(chat.messages.findLast(({ role }) => role === 'user')?.id ?? null);

  useShortcuts(preferences.singleKeys, {
    write,
    start,
    search: () => {
      setDrawer(NARROW.matches);
      onceDrawn(() => search.current?.focus());
    },
    help: () => setDialog('keys'),
    escape: () => (drawer ? closeDrawer(() => menu.current?.focus()) : chat.busy ? chat.stop() : setEditing(null)),
    copyCode: () => void copyLastCode().then(say),
  });

  const close = () => setDialog(null);
  return (
    <Say.Provider value={say}>
      <a
        class="skip"
        href="#message"
        onClick={(event) => {
          event.preventDefault();
          write();
        }}
      >
        {texts.skip}
      </a>
      <header inert={drawer}>
        <button
          type="button"
          class="quiet icon menu-button"
          ref={menu}
          aria-label={texts.chats.name}
          aria-expanded={drawer}
          onClick={() => {
            setDrawer(true);
            onceDrawn(() => search.current?.focus());
          }}
        >
          ☰
        </button>
        <span class="name">{texts.title}</span>
        {config.models.length > 1 && (
          <select
            aria-label={texts.model}
            value={preferences.model || config.models[0]}
            onChange={(event) => choose({ model: event.currentTarget.value })}
          >
            {config.models.map((model) => (
              <option key={model}>{model}</option>
            ))}
          </select>
        )}
        <button type="button" class="button plain new" onClick={start}>
          {texts.chats.new}
        </button>
        {chat.messages.length > 0 && <Export conversation={chat.open} onClear={() => setDialog('clear')} />}
        {user && <Account user={user} onOpen={setDialog} />}
      </header>
      <div class="rooms">
        <nav aria-label={texts.chats.name} class={drawer ? 'drawer shown' : 'drawer'}>
          <History chat={chat} field={search} onChosen={() => closeDrawer(write)} onRemove={remove} />
        </nav>
        {drawer && (
          <button type="button" class="shade" aria-label={texts.chats.close} onClick={() => closeDrawer(() => menu.current?.focus())} />
        )}
        <main inert={drawer}>
          <h1 class="sr">{chat.open.title || texts.chats.new}</h1>
          <Log
            chat={chat}
            user={user}
            editing={editing}
            onEdit={setEditing}
            onAsk={ask}
            onRegenerate={regenerate}
            onStart={start}
            suggestions={config.suggestions}
          />
          <Composer
            draft={draft}
            busy={chat.busy}
            online={online}
            singleKeys={preferences.singleKeys}
            field={message}
            onDraft={setDraft}
            onAsk={send}
            onStop={chat.stop}
            onEditLast={editLast}
          />
        </main>
      </div>
      <p class="sr" role="status">
        {said}
      </p>
      {undo && (
        <p class="toast">
          {texts.chats.deleted}{' '}
          <button
            type="button"
            class="quiet"
            onClick={() => {
              undo();
              setUndo(null);
              write();
            }}
          >
            {texts.chats.undo}
          </button>
        </p>
      )}
      {signedOut && <SignedOut key={last.id} />}
      {dialog === 'settings' && <Settings config={config} chosen={preferences} onChoose={choose} onClose={close} />}
      {dialog === 'usage' && <UsageNotes onClose={close} />}
      {dialog === 'keys' && <Shortcuts onClose={close} />}
      {dialog === 'clear' && <Confirm {...texts.clear} action={texts.clear.button} onClose={close} onDo={() => remove(chat.open)} />}
      {dialog === 'wipe' && <Confirm {...texts.wipe} onClose={close} onDo={wipe} />}
    </Say.Provider>
  );
}

const LOADED_AT = Date.now();
/** Where the chats are in a drawer. */
const NARROW = matchMedia('(max-width: 48rem)');
const DRAFT = 'draft';

/** What was written before a reload, or asked when the session had ended, once; else what the address proposes with `?q=`. */
function firstDraft(): string {
  const kept = sessionStorage.getItem(DRAFT) ?? new URLSearchParams(location.search).get('q') ?? '';
  sessionStorage.removeItem(DRAFT);
  return kept;
}

function useOnline(): boolean {
  const [online, setOnline] = useState(navigator.onLine);
  const look = () => setOnline(navigator.onLine);
  useListener(window, 'online', look);
  useListener(window, 'offline', look);
  return online;
}

/** What to say of it; nothing where there is no code. */
async function copyLastCode(): Promise<string> {
  const code = [...document.querySelectorAll('.log pre code')].at(-1)?.textContent;
  if (!code) return '';
  return navigator.clipboard.writeText(code).then(
    () => texts.copied,
    () => texts.notCopied,
  );
}

function Account({ user, onOpen }: { user: User; onOpen: (dialog: Open) => void }) {
  const { account } = texts;
  const menu = useRef<HTMLDivElement>(null);
  const open = (dialog: Open) => () => {
    menu.current!.hidePopover();
    onOpen(dialog);
  };
  return (
    <>
      <button type="button" class="quiet account" popovertarget="account">
        {user.userDetails}
      </button>
      <div id="account" popover="auto" class="menu" ref={menu}>
        <button type="button" class="quiet" onClick={open('settings')}>
          {account.settings}
        </button>
        <button type="button" class="quiet" onClick={open('usage')}>
          {account.usage}
        </button>
        <button type="button" class="quiet" onClick={open('keys')}>
          {account.keys}
        </button>
        <button type="button" class="quiet" onClick={open('wipe')}>
          {account.wipe}
        </button>
        <a href={LOG_OUT}>{texts.logOut}</a>
      </div>
    </>
  );
}

const FORMATS: Format[] = ['txt', 'md', 'json'];

function Export({ conversation, onClear }: { conversation: Conversation; onClear: () => void }) {
  const menu = useRef<HTMLDivElement>(null);
  const after = (what: () => void) => () => {
    menu.current!.hidePopover();
    what();
  };
  return (
    <>
      <button type="button" class="quiet" popovertarget="export">
        {texts.exports.name}
      </button>
      <div id="export" popover="auto" class="menu" ref={menu}>
        {FORMATS.map((format) => (
          <button key={format} type="button" class="quiet" onClick={after(() => download(conversation, format))}>
            {texts.exports[format]}
          </button>
        ))}
        <button type="button" class="quiet" onClick={after(() => print())}>
          {texts.exports.print}
        </button>
      </div>
      <button type="button" class="quiet clear" onClick={onClear}>
        {texts.clear.button}
      </button>
    </>
  );
}

interface LogProps {
  chat: Chat;
  user: User | null | undefined;
  editing: string | null;
  suggestions: string[];
  onEdit: TurnProps['onEdit'];
  onAsk: TurnProps['onAsk'];
  onRegenerate: TurnProps['onRegenerate'];
  onStart: TurnProps['onStart'];
}

/** What to ask first where the API proposes nothing; recordings answer these. */
const SUGGESTIONS = [
  'How do I sort a list in Python? Show code.',
  'Name five kinds of fruit and a fact about each.',
  'Tell me about lighthouses.',
  'What is the capital of France?',
];
const NEAR_PX = 48;

/** The conversation. A new question goes to the top and its answer fills the room below it; who scrolls to the end is kept there. */
function Log({ chat, user, editing, suggestions, ...doing }: LogProps) {
  const { onAsk } = doing;
  const box = useRef<HTMLDivElement>(null);
  const follows = useRef(false);
  const [away, setAway] = useState(false);
  const turns = paired(chat.messages);
  const onScroll = () => {
    const { scrollHeight, scrollTop, clientHeight } = box.current!;
    setAway(scrollHeight - scrollTop - clientHeight > NEAR_PX);
  };
  const byHand = () =>
    requestAnimationFrame(() => {
      const { scrollHeight, scrollTop, clientHeight } = box.current!;
      follows.current = scrollHeight - scrollTop - clientHeight < NEAR_PX;
    });
  const toEnd = () => box.current!.scrollTo({ top: box.current!.scrollHeight });
  useLayoutEffect(() => {
    follows.current = false;
    const turn = box.current!.querySelector<HTMLElement>('.turn:last-child');
    if (turn) box.current!.scrollTo({ top: turn.offsetTop - box.current!.offsetTop });
  }, [chat.open.id, turns.at(-1)?.[0].id]);
  useLayoutEffect(() => {
    if (follows.current) toEnd();
    else if (turns.length) onScroll();
  }, [chat.messages]);
  const shared = { chat, user, ...doing };
  return (
    <div class="scene">
      <div
        class="log"
        role="log"
        aria-label={texts.conversation.name}
        aria-live="off"
        tabIndex={0}
        ref={box}
        onScroll={onScroll}
        onWheel={byHand}
        onTouchMove={byHand}
        onKeyDown={byHand}
      >
        <div class="column">
          {turns.length === 0 && <Welcome lost={chat.lost} suggestions={suggestions.length ? suggestions : SUGGESTIONS} onAsk={onAsk} />}
          {turns.map(([question, answer], index) => {
            const last = index === turns.length - 1;
            return (
              <div class="turn" key={question.parent ?? chat.open.id}>
                <Question {...shared} message={question} last={last} editing={editing === question.id} />
                {answer && <Answer {...shared} message={answer} last={last} editing={false} />}
              </div>
            );
          })}
        </div>
      </div>
      {away && turns.length > 0 && (
        <button
          type="button"
          class="jump"
          aria-label={texts.conversation.jump}
          title={texts.conversation.jump}
          onClick={() => {
            follows.current = isUnderWay(chat.messages.at(-1));
            toEnd();
          }}
        >
          <span aria-hidden="true">↓</span>
        </button>
      )}
    </div>
  );
}

/** Each question with its answer. */
function paired(messages: Message[]): [Message, Message | undefined][] {
  return messages.flatMap((message, index) =>
    message.role === 'user' ? [[message, messages[index + 1]] as [Message, Message | undefined]] : [],
  );
}

function Welcome({ lost, suggestions, onAsk }: { lost: boolean; suggestions: string[]; onAsk: TurnProps['onAsk'] }) {
  return (
    <section class="welcome" aria-labelledby="greeting">
      {lost && <p class="note">{texts.chats.unknown}</p>}
      <h2 id="greeting">{texts.greeting}</h2>
      <ul>
        {suggestions.map((question) => (
          <li key={question}>
            <button type="button" aria-label={texts.conversation.ask(question)} onClick={() => onAsk(question)}>
              {question}
            </button>
          </li>
        ))}
      </ul>
      <div class="usage">
        <Usage />
      </div>
    </section>
  );
}
