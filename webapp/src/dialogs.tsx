/** The dialogs: native ones, which keep the focus and close with Escape by themselves. */
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { Config } from './config';
import type { Preferences } from './preferences';
import * as texts from './texts';
import { signInBackTo } from './user';

interface DialogProps {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
}

export function Dialog({ title, onClose, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current!.showModal(), []);
  return (
    <dialog ref={dialog} aria-labelledby="dialog-title" onClose={onClose}>
      <h2 id="dialog-title">{title}</h2>
      {children}
    </dialog>
  );
}

function Close({ label = 'Close' }: { label?: string }) {
  return (
    <form method="dialog" class="row">
      <button class={label === 'Cancel' ? 'quiet' : ''}>{label}</button>
    </form>
  );
}

export function Confirm({ title, text, action, onClose, onDo }: Omit<DialogProps, 'children'> & { text: string; action: string; onDo: () => void }) {
  return (
    <Dialog title={title} onClose={onClose}>
      <p>{text}</p>
      <div class="row">
        <Close label="Cancel" />
        <button type="button" onClick={() => (onDo(), onClose())}>
          {action}
        </button>
      </div>
    </Dialog>
  );
}

export function SignedOut() {
  return (
    <Dialog title={texts.SIGNED_OUT.title} onClose={() => undefined}>
      <p>{texts.SIGNED_OUT.text}</p>
      <div class="row">
        <a class="button" href={signInBackTo(location.pathname)}>
          Sign in
        </a>
      </div>
    </Dialog>
  );
}

export function UsageNotes({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Usage notes" onClose={onClose}>
      <p>{texts.USAGE}</p>
      <ul>
        {texts.USAGE_LINKS.map(([name, href]) => (
          <li key={href}>
            <a href={href} target="_blank" rel="noopener noreferrer">
              {name}
            </a>
          </li>
        ))}
      </ul>
      <Close />
    </Dialog>
  );
}

export function Shortcuts({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keyboard shortcuts" onClose={onClose}>
      <dl class="keys">
        {texts.SHORTCUTS.map(([keys, what]) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <Close />
    </Dialog>
  );
}

interface SettingsProps {
  config: Config;
  chosen: Preferences;
  onChoose: (changed: Partial<Preferences>) => void;
  onClose: () => void;
}

export function Settings({ config, chosen, onChoose, onClose }: SettingsProps) {
  return (
    <Dialog title="Settings" onClose={onClose}>
      <label class="field">
        Theme
        <select value={chosen.theme} onChange={(event) => onChoose({ theme: event.currentTarget.value as Preferences['theme'] })}>
          <option value="system">As the system</option>
          <option value="light">Light</option>
          <option value="dark">Dark</option>
        </select>
      </label>
      {config.system_prompt && (
        <label class="field tall">
          System prompt
          <textarea
            rows={4}
            dir="auto"
            placeholder="The app's own"
            value={chosen.systemPrompt}
            onInput={(event) => onChoose({ systemPrompt: event.currentTarget.value })}
          />
        </label>
      )}
      <label class="check">
        <input type="checkbox" checked={chosen.singleKeys} onChange={(event) => onChoose({ singleKeys: event.currentTarget.checked })} />
        Shortcuts of a single key (/ and ?)
      </label>
      <Close />
    </Dialog>
  );
}
