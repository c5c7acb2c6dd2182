/** The chat's screen: chats at the side, the conversation, the composer, and the dialogs over them. */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { Composer, type Writing } from './composer';
import type { Summary } from './conversation';
import { Confirm, Settings, Shortcuts, SignedOut, UsageNotes } from './dialogs';
import { keepDraft } from './draft';
import { noteOf } from './failures';
import { Header, type Open } from './header';
import { History } from './history';
import { forgetAll } from './kept';
import { onceDrawn, useShortcuts } from './keys';
import { useListener } from './listen';
import { Log } from './log';
import { Palette } from './palette';
import { USUAL, usePreferences } from './preferences';
import { Prompts } from './prompts';
import { Say } from './say';
import type { Asked, Snapshot } from './session';
import { texts } from './texts';
import { UserContext, useSession, useSnapshot } from './use-session';
import { currentUser, type User } from './user';

export function App() {
  const session = useSession();
  const title = useSnapshot(({ open }) => open.title);
  const lastId = useSnapshot(({ messages }) => messages.at(-1)?.id);
  const lastState = useSnapshot(({ messages }) => messages.at(-1)?.state);
  const signedOut = useSnapshot(signedOutIn);
  const [user, setUser] = useState<User | null>();
  const [preferences, choose] = usePreferences();
  const [dialog, setDialog] = useState<Open>(null);
  const [drawer, setDrawer] = useState(false);
  const [editing, setEditing] = useState<string | null>(null);
  const [said, setSaid] = useState('');
  const [undo, setUndo] = useState<(() => void) | null>(null);
  const [dragged, setDragged] = useState(false);
  const online = useOnline();
  useListener(NARROW, 'change', () => setDrawer(false));
  const writing = useRef<Writing>(null);
  const search = useRef<HTMLInputElement>(null);
  const menu = useRef<HTMLButtonElement>(null);

  /** Cleared first, so that the same words are heard again. */
  const say = useCallback((status: string) => {
    setSaid('');
    requestAnimationFrame(() => setSaid(status));
  }, []);
  const write = useCallback(() => writing.current?.focus(), []);

  useEffect(() => {
    void currentUser().then((found) => {
      setUser((before) => before ?? found); // somebody else's chats never follow in the same page
      void session.signedIn(found?.userId ?? null);
    });
  }, [online]);
  useEffect(() => {
    const last = session.snapshot.messages.at(-1);
    if (last) setSaid((last.state === 'done' && noteOf(last)) || texts.status[last.state]);
  }, [lastId, lastState]);
  useEffect(() => {
    const question = session.snapshot.messages.at(-2)?.content;
    if (signedOut && user && question) keepDraft(user.userId, question);
  }, [signedOut]);
  useEffect(() => {
    if (!undo) return;
    const timer = setTimeout(() => setUndo(null), 10_000);
    return () => clearTimeout(timer);
  }, [undo]);
  useEffect(() => {
    document.title = title ? `${title} – ${texts.title}` : texts.title;
  }, [title]);

  const start = () => {
    session.start();
    setDrawer(false);
    write();
  };
  const ask = useCallback((question: string, asked?: Asked) => {
    const done = session.ask(question, asked);
    if (done) write();
    return done;
  }, []);
  const remove = ({ id }: Summary) => {
    const back = session.remove(id);
    setUndo(() => back);
    say(texts.chats.deleted);
    if (drawer) search.current?.focus();
    else write();
  };
  const wipe = () => {
    setUndo(null);
    writing.current?.clear();
    forgetAll();
    void session.wipe().then(() => choose(USUAL)); // which may load the page anew, in the usual language
    write();
  };
  const closeDrawer = (focus: () => void) => {
    setDrawer(false);
    onceDrawn(focus);
  };
  const openDrawer = () => {
    setDrawer(true);
    onceDrawn(() => search.current?.focus());
  };
  const editLast = () => setEditing(session.snapshot.messages.findLast(({ role }) => role === 'user')?.id ?? null);

  useShortcuts(preferences.singleKeys, {
    write,
    start,
    palette: () => setDialog('palette'),
    help: () => setDialog('keys'),
    escape: () => (drawer ? closeDrawer(() => menu.current?.focus()) : session.snapshot.busy ? session.stop() : setEditing(null)),
    copyCode: () => void copyLastCode().then(say),
  });

  const close = () => setDialog(null);
  const use = (text: string) => {
    writing.current?.add(text);
    onceDrawn(write);
  };
  // Wherever they are dropped: else the browser would open them in place of the page.
  useListener(window, 'dragover', (event: DragEvent) => {
    if (!event.dataTransfer?.types.includes('Files')) return;
    event.preventDefault();
    setDragged(true);
  });
  useListener(window, 'dragleave', (event: DragEvent) => event.relatedTarget === null && setDragged(false));
  useListener(window, 'drop', (event: DragEvent) => {
    const files = [...(event.dataTransfer?.files ?? [])];
    setDragged(false);
    if (!files.length) return;
    event.preventDefault();
    if (!dialog) writing.current?.attach(files);
  });
  return (
    <UserContext.Provider value={user}>
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
        <Header
          drawer={drawer}
          menu={menu}
          preferences={preferences}
          onChoose={choose}
          onOpen={setDialog}
          onDrawer={openDrawer}
          onStart={start}
        />
        <div class="rooms">
          <nav aria-label={texts.chats.name} class={drawer ? 'drawer shown' : 'drawer'}>
            <History user={user?.userId} field={search} onChosen={() => closeDrawer(write)} onRemove={remove} />
          </nav>
          {drawer && (
            <button type="button" class="shade" aria-label={texts.chats.close} onClick={() => closeDrawer(() => menu.current?.focus())} />
          )}
          <main inert={drawer} class={dragged ? 'dragged' : ''}>
            <h1 class="sr">{title || texts.chats.new}</h1>
            <Log editing={editing} onEdit={setEditing} onAsk={ask} onWritten={write} />
            <Composer online={online} singleKeys={preferences.singleKeys} writing={writing} onAsk={ask} onEditLast={editLast} />
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
        {signedOut && <SignedOut key={signedOut} />}
        {dialog === 'settings' && <Settings chosen={preferences} onChoose={choose} onClose={close} />}
        {dialog === 'prompts' && <Prompts onUse={use} onClose={close} />}
        {dialog === 'palette' && <Palette onOpen={setDialog} onStart={start} onUse={use} onWritten={write} onClose={close} />}
        {dialog === 'usage' && <UsageNotes onClose={close} />}
        {dialog === 'keys' && <Shortcuts onClose={close} />}
        {dialog === 'clear' && (
          <Confirm {...texts.clear} action={texts.clear.button} onClose={close} onDo={() => remove(session.snapshot.open)} />
        )}
        {dialog === 'wipe' && <Confirm {...texts.wipe} onClose={close} onDo={wipe} />}
      </Say.Provider>
    </UserContext.Provider>
  );
}

const LOADED_AT = Date.now();
/** The answer that was refused as nobody is signed in; not one that is kept from before: who opens it may be signed in again. */
function signedOutIn({ messages }: Snapshot): string | null {
  const last = messages.at(-1);
  return last?.failure?.code === 'signed_out' && last.at > LOADED_AT ? last.id : null;
}

/** Where the chats are in a drawer. */
const NARROW = matchMedia('(max-width: 48rem)');

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
