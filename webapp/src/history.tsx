/** The list of chats that this browser keeps, with search and what can be done to each. */
import { useRef, useState } from 'preact/hooks';
import type { Chat } from './chat';
import type { Conversation } from './conversation';
import { imported } from './file';
import { onceDrawn } from './keys';
import { texts } from './texts';

interface HistoryProps {
  chat: Chat;
  field: { current: HTMLInputElement | null };
  onChosen: () => void;
  onRemove: (conversation: Conversation) => void;
}

export function History({ chat, field, onChosen, onRemove }: HistoryProps) {
  const [search, setSearch] = useState('');
  const [renaming, setRenaming] = useState<string | null>(null);
  const list = useRef<HTMLUListElement>(null);
  const wanted = search.trim().toLowerCase();
  const shown = chat.kept.filter((each) => !wanted || has(each, wanted));
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
      {chat.keeps === false && <p class="empty">{texts.chats.off}</p>}
      {chat.keeps && chat.kept.length === 0 && <p class="empty">{texts.chats.none}</p>}
      {chat.kept.length > 0 && shown.length === 0 && <p class="empty">{texts.chats.without(search.trim())}</p>}
      {chat.full && (
        <p class="empty" role="alert">
          {texts.chats.full}
        </p>
      )}
      <ul ref={list}>
        {shown.map((each) => (
          <li key={each.id} data-id={each.id} aria-current={each.id === chat.open.id ? 'page' : undefined}>
            {renaming === each.id ? (
              <Rename
                title={each.title}
                onDone={(title, byKey) => {
                  setRenaming(null);
                  if (title !== null) chat.rename(each.id, title);
                  if (byKey) onceDrawn(() => list.current?.querySelector<HTMLElement>(`[data-id="${each.id}"] .open`)?.focus());
                }}
              />
            ) : (
              <>
                <button
                  type="button"
                  class="quiet open"
                  dir="auto"
                  title={each.title}
                  onClick={() => {
                    chat.choose(each.id);
                    onChosen();
                  }}
                >
                  {each.title}
                </button>
                <span class="tools">
                  <button
                    type="button"
                    class="quiet icon"
                    aria-label={texts.chats.rename(each.title)}
                    title={texts.chats.renameShort}
                    onClick={() => setRenaming(each.id)}
                  >
                    ✎
                  </button>
                  <button
                    type="button"
                    class="quiet icon"
                    aria-label={texts.chats.delete(each.title)}
                    title={texts.chats.deleteShort}
                    onClick={() => onRemove(each)}
                  >
                    ✕
                  </button>
                </span>
              </>
            )}
          </li>
        ))}
      </ul>
      {chat.keeps && <Import chat={chat} onChosen={onChosen} />}
    </>
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
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        end(text, true);
      }}
    >
      <input
        aria-label={texts.chats.title}
        value={text}
        autofocus
        ref={focusOnce}
        onInput={(event) => setText(event.currentTarget.value)}
        onBlur={() => end(text, false)}
        onKeyDown={onKeyDown}
      />
    </form>
  );
}

function has(conversation: Conversation, wanted: string): boolean {
  return [conversation.title, ...conversation.messages.map(({ content }) => content)].some((text) => text.toLowerCase().includes(wanted));
}

const LARGEST_BYTES = 10_000_000;

/** Takes in a chat that was exported as a JSON file. */
function Import({ chat, onChosen }: { chat: Chat; onChosen: () => void }) {
  const [refused, refuse] = useState('');
  const take = async (input: HTMLInputElement) => {
    const file = input.files?.[0];
    input.value = '';
    if (!file) return;
    if (file.size > LARGEST_BYTES) return refuse(texts.chats.notImported(file.name, texts.chats.tooLarge));
    try {
      chat.add(imported(await file.text(), crypto.randomUUID()));
      refuse('');
      onChosen();
    } catch (error) {
      refuse(texts.chats.notImported(file.name, (error as Error).message));
    }
  };
  return (
    <div class="import">
      <label>
        {texts.chats.import}
        <input type="file" class="sr" accept=".json,application/json" onChange={(event) => void take(event.currentTarget)} />
      </label>
      {refused && <p role="alert">{refused}</p>}
    </div>
  );
}
