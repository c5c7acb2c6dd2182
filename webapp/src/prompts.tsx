/** Prompts that somebody asks again and again: kept in this browser, for them alone. */
import { Pencil, Trash2 } from 'lucide';
import { useState } from 'preact/hooks';
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
  return Array.isArray(found) ? found.filter(({ name, text }) => typeof name === 'string' && typeof text === 'string') : [];
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
  const { library } = texts;
  const change = (changed: Prompt[]) => {
    setPrompts(changed);
    if (user) keep(keyOf(user.userId), changed);
  };
  const onSubmit = (event: Event) => {
    event.preventDefault();
    const { name, text } = { name: written.name.trim(), text: written.text.trim() };
    if (!name || !text) return;
    change([...prompts.filter((each) => each.name !== name), { name, text }].sort((one, other) => one.name.localeCompare(other.name)));
    write(NEW);
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
            <Action icon={Pencil} name={library.edit(prompt.name)} onClick={() => write(prompt)} />
            <Action
              icon={Trash2}
              name={library.delete(prompt.name)}
              onClick={() => change(prompts.filter(({ name }) => name !== prompt.name))}
            />
          </li>
        ))}
      </ul>
      <form onSubmit={onSubmit}>
        <label class="field tall">
          {library.name}
          <input value={written.name} onInput={(event) => write({ ...written, name: event.currentTarget.value })} />
        </label>
        <label class="field tall">
          {library.text}
          <textarea rows={4} dir="auto" value={written.text} onInput={(event) => write({ ...written, text: event.currentTarget.value })} />
        </label>
        <div class="row">
          <button type="button" class="quiet" onClick={onClose}>
            {texts.close}
          </button>
          <button type="submit" disabled={!written.name.trim() || !written.text.trim()}>
            {library.keep}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
