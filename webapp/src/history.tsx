/** The list of chats that this browser keeps, with search and what can be done to each. */
import { useState } from 'preact/hooks';
import type { Chat } from './chat';
import type { Conversation } from './conversation';
import { imported } from './file';
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
      <ul>
        {shown.map((each) => (
          <li key={each.id} aria-current={each.id === chat.open.id ? 'page' : undefined}>
            {renaming === each.id ? (
              <Rename
                title={each.title}
                onDone={(title) => {
                  setRenaming(null);
                  if (title !== null) chat.rename(each.id, title);
                }}
              />
            ) : (
              <>
                <button type="button" class="quiet open" dir="auto" onClick={() => (chat.choose(each.id), onChosen())}>
                  {each.title}
                </button>
                <button type="button" class="quiet icon" aria-label={texts.chats.rename(each.title)} title={texts.chats.renameShort} onClick={() => setRenaming(each.id)}>
                  ✎
                </button>
                <button type="button" class="quiet icon" aria-label={texts.chats.delete(each.title)} title={texts.chats.deleteShort} onClick={() => onRemove(each)}>
                  ✕
                </button>
              </>
            )}
          </li>
        ))}
      </ul>
      {chat.keeps && <Import chat={chat} onChosen={onChosen} />}
    </>
  );
}

function Rename({ title, onDone }: { title: string; onDone: (title: string | null) => void }) {
  const [text, setText] = useState(title);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== 'Escape') return;
    event.stopPropagation();
    onDone(null);
  };
  return (
    <form onSubmit={(event) => (event.preventDefault(), onDone(text))}>
      <input
        aria-label={texts.chats.title}
        value={text}
        ref={(input) => input?.focus()}
        onInput={(event) => setText(event.currentTarget.value)}
        onBlur={() => onDone(text)}
        onKeyDown={onKeyDown}
      />
    </form>
  );
}

function has(conversation: Conversation, wanted: string): boolean {
  return [conversation.title, ...conversation.messages.map(({ content }) => content)].some((text) => text.toLowerCase().includes(wanted));
}

/** Takes in a chat that was exported as a JSON file. */
function Import({ chat, onChosen }: { chat: Chat; onChosen: () => void }) {
  const [refused, refuse] = useState('');
  const take = async (input: HTMLInputElement) => {
    const file = input.files?.[0];
    input.value = '';
    if (!file) return;
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
