/** Prompts that somebody asks again and again: kept in this browser, for them alone. */
import { Pencil, Trash2 } from 'lucide';
import { useRef, useState } from 'preact/hooks';
import { Dialog } from './dialogs';
import { keep, kept } from './kept';
import { Action } from './parts';
import { texts } from './texts';
import { useUser } from './use-session';

export interface Prompt {
  name: string;
  text: string;
}

const keyOf = (userId: string) => `prompts ${userId}`;

export function promptsOf(userId: string | undefined): Prompt[] {
  const found = userId === undefined ? null : kept<Prompt[]>(keyOf(userId));
  return Array.isArray(found) ? found.filter((each) => typeof each?.name === 'string' && typeof each.text === 'string') : [];
}

interface PromptsProps {
  onUse: (text: string) => void;
  onClose: () => void;
}

const NEW: Prompt = { name: '', text: '' };

export function Prompts({ onUse, onClose }: PromptsProps) {
  const user = useUser();
  const [prompts, setPrompts] = useState(() => promptsOf(user?.userId));
  const [written, write] = useState(NEW);
  /** The name of the one that is written anew; null where it is another. */
  const [edited, setEdited] = useState<string | null>(null);
  const field = useRef<HTMLInputElement>(null);
  const { library } = texts;
  const change = (changed: Prompt[]) => {
    setPrompts(changed);
    if (user) keep(keyOf(user.userId), changed);
  };
  const { name, text } = { name: written.name.trim(), text: written.text.trim() };
  const taken = name !== edited && prompts.some((each) => each.name === name);
  const begin = (prompt: Prompt, of: string | null) => {
    write(prompt);
    setEdited(of);
    field.current!.focus();
  };
  const onSubmit = (event: Event) => {
    event.preventDefault();
    if (!name || !text || taken) return;
    change([...prompts.filter((each) => each.name !== edited), { name, text }].sort((one, other) => one.name.localeCompare(other.name)));
    begin(NEW, null);
  };
  const remove = (prompt: Prompt) => {
    change(prompts.filter((each) => each !== prompt));
    if (edited === prompt.name) setEdited(null);
    field.current!.focus();
  };
  const use = (text: string) => {
    onClose();
    onUse(text);
  };
  return (
    <Dialog title={texts.account.prompts} onClose={onClose}>
      {prompts.length === 0 && <p class="note">{library.none}</p>}
      <ul class="prompts">
        {prompts.map((prompt) => (
          <li key={prompt.name}>
            <button type="button" class="quiet" title={prompt.text} onClick={() => use(prompt.text)}>
              {prompt.name}
            </button>
            <Action icon={Pencil} name={library.edit(prompt.name)} onClick={() => begin(prompt, prompt.name)} />
            <Action icon={Trash2} name={library.delete(prompt.name)} onClick={() => remove(prompt)} />
          </li>
        ))}
      </ul>
      <form onSubmit={onSubmit}>
        <label class="field tall">
          {library.name}
          <input ref={field} value={written.name} onInput={(event) => write({ ...written, name: event.currentTarget.value })} />
        </label>
        <label class="field tall">
          {library.text}
          <textarea rows={4} dir="auto" value={written.text} onInput={(event) => write({ ...written, text: event.currentTarget.value })} />
        </label>
        {taken && (
          <p class="note" role="alert">
            {library.taken}
          </p>
        )}
        <div class="row">
          <button type="button" class="quiet" onClick={onClose}>
            {texts.close}
          </button>
          <button type="submit" disabled={!name || !text || taken}>
            {library.keep}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
