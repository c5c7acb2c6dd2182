/** Everything that can be done or opened, found by typing: commands, prompts, chats. */
import { useLayoutEffect, useState } from 'preact/hooks';
import { Dialog } from './dialogs';
import type { Open } from './header';
import { onceDrawn } from './keys';
import { promptsOf } from './prompts';
import { texts } from './texts';
import { useSession, useSnapshot, useUser } from './use-session';

const SHOWN = 12;

interface Entry {
  kind: string;
  name: string;
  run: () => void;
}

interface PaletteProps {
  onOpen: (dialog: Open) => void;
  onStart: () => void;
  onUse: (text: string) => void;
  /** The next thing that somebody does is to write. */
  onWritten: () => void;
  onClose: () => void;
}

export function Palette(props: PaletteProps) {
  const { onWritten, onClose } = props;
  const [words, setWords] = useState('');
  const [at, setAt] = useState(0);
  const entries = useEntries(props);
  const wanted = words.toLowerCase().split(/\s+/);
  const found = entries.filter(({ kind, name }) => wanted.every((word) => `${kind} ${name}`.toLowerCase().includes(word))).slice(0, SHOWN);
  const chosen = Math.min(at, found.length - 1);
  useLayoutEffect(() => document.getElementById(idOf(chosen))?.scrollIntoView({ block: 'nearest' }), [chosen]);
  const run = (entry: Entry | undefined) => {
    if (!entry) return;
    onClose();
    entry.run();
    onceDrawn(onWritten); // where another dialog opens, it has the focus
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) setAt((chosen + step + found.length) % found.length);
    else if (event.key === 'Enter' && !event.isComposing) run(found[chosen]);
    else return;
    event.preventDefault();
  };
  const { palette } = texts;
  return (
    <Dialog title={palette.name} onClose={onClose}>
      <input
        class="wide"
        role="combobox"
        aria-expanded="true"
        aria-controls="palette"
        aria-activedescendant={found.length ? idOf(chosen) : undefined}
        aria-label={palette.search}
        placeholder={palette.search}
        value={words}
        onInput={(event) => {
          setWords(event.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={onKeyDown}
      />
      <div id="palette" role="listbox" aria-label={palette.name} class="palette">
        {found.map((entry, index) => (
          <button
            key={index}
            id={idOf(index)}
            type="button"
            role="option"
            tabIndex={-1}
            aria-selected={index === chosen}
            class="quiet"
            onClick={() => run(entry)}
          >
            <span class="kind">{entry.kind}</span> {entry.name}
          </button>
        ))}
      </div>
      {found.length === 0 && <p class="note">{palette.nothing}</p>}
    </Dialog>
  );
}

const idOf = (index: number) => `palette-${index}`;

function useEntries({ onOpen, onStart, onUse }: PaletteProps): Entry[] {
  const session = useSession();
  const kept = useSnapshot((now) => now.kept);
  const user = useUser();
  const { palette, account } = texts;
  const opening = (['settings', 'prompts', 'usage', 'keys'] as const).map(
    (dialog): Entry => ({ kind: palette.open, name: account[dialog], run: () => onOpen(dialog) }),
  );
  const prompts = promptsOf(user?.userId).map(({ name, text }): Entry => ({ kind: palette.prompt, name, run: () => onUse(text) }));
  const chats = kept.map(({ id, title }): Entry => ({ kind: palette.chat, name: title, run: () => void session.choose(id) }));
  return [{ kind: palette.do, name: texts.chats.new, run: onStart }, ...opening, ...prompts, ...chats];
}
