/** The list of chats that this browser keeps: by date, pinned ones first, with search and what can be done to each. */
import { LoaderCircle, Pencil, Pin, PinOff, Trash2, Upload } from 'lucide';
import { useMemo, useRef, useState } from 'preact/hooks';
import type { Summary } from './conversation';
import { imported } from './file';
import { Icon } from './icons';
import { onceDrawn } from './keys';
import { Action } from './parts';
import { type Row, rowsOf, sectionsOf } from './rows';
import { texts } from './texts';
import { useSearch } from './use-search';
import { useSession, useSnapshot } from './use-session';
import { useWindow } from './use-window';

interface HistoryProps {
  user: string | undefined;
  field: { current: HTMLInputElement | null };
  onChosen: () => void;
  onRemove: (chat: Summary) => void;
}

export function History({ user, field, onChosen, onRemove }: HistoryProps) {
  const kept = useSnapshot((now) => now.kept);
  const keeps = useSnapshot((now) => now.keeps);
  const trouble = useSnapshot((now) => now.trouble);
  const [search, setSearch] = useState('');
  const found = useSearch(user, search, kept.length);
  const rows = useMemo(() => rowsOf(found ? kept.filter(({ id }) => found.has(id)) : kept, Date.now()), [kept, found]);
  return (
    <>
      <input
        type="search"
        ref={field}
        aria-label={texts.chats.search}
        placeholder={texts.chats.search}
        value={search}
        onInput={(event) => setSearch(event.currentTarget.value)}
      />
      {keeps === false && <p class="empty">{texts.chats.off}</p>}
      {keeps && kept.length === 0 && <p class="empty">{texts.chats.none}</p>}
      {found && rows.length === 0 && kept.length > 0 && <p class="empty">{texts.chats.without(search.trim())}</p>}
      {trouble && (
        <p class="empty" role="alert">
          {texts.chats.troubles[trouble]}
        </p>
      )}
      <Rows rows={rows} onChosen={onChosen} onRemove={onRemove} />
      {keeps && <Import onChosen={onChosen} />}
    </>
  );
}

/** As many rows as are in sight, and some around; each is as high as the others. */
function Rows({ rows, onChosen, onRemove }: { rows: Row[] } & Pick<HistoryProps, 'onChosen' | 'onRemove'>) {
  const open = useSnapshot((now) => now.open.id);
  const answering = useSnapshot((now) => now.answering);
  const unread = useSnapshot((now) => now.unread);
  const box = useRef<HTMLDivElement>(null);
  const { from, to, before, after } = useWindow(box, rows.length);
  const markOf = (id: string) => (answering.has(id) ? 'answering' : unread.has(id) ? 'unread' : null);
  return (
    <div class="chats" ref={box}>
      <div style={{ height: `${before}px` }} />
      {sectionsOf(rows.slice(from, to)).map(({ group, headed, chats }) => (
        <section key={group} aria-label={group}>
          {headed && <h2>{group}</h2>}
          <ul>
            {chats.map((chat) => (
              <Chat key={chat.id} chat={chat} current={chat.id === open} mark={markOf(chat.id)} onChosen={onChosen} onRemove={onRemove} />
            ))}
          </ul>
        </section>
      ))}
      <div style={{ height: `${after}px` }} />
    </div>
  );
}

interface ChatProps extends Pick<HistoryProps, 'onChosen' | 'onRemove'> {
  chat: Summary;
  current: boolean;
  mark: 'answering' | 'unread' | null;
}

function Chat({ chat, current, mark, onChosen, onRemove }: ChatProps) {
  const session = useSession();
  const [renaming, setRenaming] = useState(false);
  const open = useRef<HTMLButtonElement>(null);
  const { id, title } = chat;
  const pinned = (chat.pinned ?? 0) > 0;
  if (renaming) {
    const onDone = (named: string | null, byKey: boolean) => {
      setRenaming(false);
      if (named !== null) void session.rename(id, named);
      if (byKey) onceDrawn(() => open.current?.focus());
    };
    return (
      <li>
        <Rename title={title} onDone={onDone} />
      </li>
    );
  }
  const of = (what: string) => texts.chats.ofChat(what, title);
  const choose = () => {
    void session.choose(id);
    onChosen();
  };
  return (
    <li aria-current={current ? 'page' : undefined}>
      <button type="button" class="quiet open" dir="auto" title={title} ref={open} onClick={choose} onDblClick={() => setRenaming(true)}>
        {title}
      </button>
      {mark && (
        <span class={`mark ${mark}`} role="img" aria-label={texts.chats.marks[mark]} title={texts.chats.marks[mark]}>
          {mark === 'answering' && <Icon of={LoaderCircle} />}
        </span>
      )}
      <span class="tools">
        <Action
          icon={pinned ? PinOff : Pin}
          name={of(pinned ? texts.chats.unpin : texts.chats.pin)}
          onClick={() => void session.pin(id, !pinned)}
        />
        <Action icon={Pencil} name={of(texts.chats.rename)} onClick={() => setRenaming(true)} />
        <Action icon={Trash2} name={of(texts.chats.delete)} onClick={() => onRemove(chat)} />
      </span>
    </li>
  );
}

const focusOnce = (input: HTMLInputElement | null) => {
  input?.focus();
  input?.select();
};

function Rename({ title, onDone }: { title: string; onDone: (title: string | null, byKey: boolean) => void }) {
  const [text, setText] = useState(title);
  const ended = useRef(false); // what goes away loses the focus too
  const end = (found: string | null, byKey: boolean) => {
    if (!ended.current) onDone(found, byKey);
    ended.current = true;
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== 'Escape') return;
    event.stopPropagation();
    end(null, true);
  };
  const onSubmit = (event: Event) => {
    event.preventDefault();
    end(text, true);
  };
  return (
    <form onSubmit={onSubmit}>
      <input
        aria-label={texts.chats.title}
        value={text}
        ref={focusOnce}
        onInput={(event) => setText(event.currentTarget.value)}
        onBlur={() => end(text, false)}
        onKeyDown={onKeyDown}
      />
    </form>
  );
}

/** A chat may have many images. */
const LARGEST_BYTES = 50_000_000;

/** Takes in a chat that was exported as a JSON file. */
function Import({ onChosen }: Pick<HistoryProps, 'onChosen'>) {
  const session = useSession();
  const [refused, refuse] = useState('');
  const take = async (input: HTMLInputElement) => {
    const file = input.files?.[0];
    input.value = '';
    if (!file) return;
    if (file.size > LARGEST_BYTES) return refuse(texts.chats.notImported(file.name, texts.chats.tooLarge));
    try {
      session.add(imported(await file.text(), crypto.randomUUID()));
      refuse('');
      onChosen();
    } catch (error) {
      refuse(texts.chats.notImported(file.name, (error as Error).message));
    }
  };
  return (
    <div class="import">
      <label>
        <Icon of={Upload} />
        {texts.chats.import}
        <input type="file" class="sr" accept=".json,application/json" onChange={(event) => void take(event.currentTarget)} />
      </label>
      {refused && <p role="alert">{refused}</p>}
    </div>
  );
}
