/** The dialogs: native ones, which keep the focus and close with Escape by themselves. */
import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { useConfig } from './config';
import { Usage } from './parts';
import type { Preferences } from './preferences';
import { LANGUAGES, texts } from './texts';
import { signInBackTo } from './user';

interface DialogProps {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
}

export function Dialog({ title, onClose, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => dialog.current!.showModal(), []);
  return (
    <dialog ref={dialog} aria-labelledby="dialog-title" onClose={onClose}>
      <h2 id="dialog-title">{title}</h2>
      {children}
    </dialog>
  );
}

function Close({ quiet = false }: { quiet?: boolean }) {
  return (
    <form method="dialog" class="row">
      <button type="submit" class={quiet ? 'quiet' : ''}>
        {quiet ? texts.cancel : texts.close}
      </button>
    </form>
  );
}

export function Confirm({
  title,
  text,
  action,
  onClose,
  onDo,
}: Omit<DialogProps, 'children'> & { text: string; action: string; onDo: () => void }) {
  return (
    <Dialog title={title} onClose={onClose}>
      <p>{text}</p>
      <div class="row">
        <Close quiet />
        <button
          type="button"
          onClick={(event) => {
            event.currentTarget.closest('dialog')!.close();
            onDo();
          }}
        >
          {action}
        </button>
      </div>
    </Dialog>
  );
}

export function SignedOut() {
  return (
    <Dialog title={texts.signedOut.title} onClose={() => undefined}>
      <p>{texts.signedOut.text}</p>
      <div class="row">
        <a class="button" href={signInBackTo(location.pathname)}>
          {texts.signedOut.action}
        </a>
      </div>
    </Dialog>
  );
}

export function UsageNotes({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title={texts.account.usage} onClose={onClose}>
      <Usage />
      <Close />
    </Dialog>
  );
}

export function Shortcuts({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title={texts.account.keys} onClose={onClose}>
      <dl class="keys">
        {texts.keys.map(([keys, what]) => (
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
  chosen: Preferences;
  onChoose: (changed: Partial<Preferences>) => void;
  onClose: () => void;
}

export function Settings({ chosen, onChoose, onClose }: SettingsProps) {
  const { settings } = texts;
  const config = useConfig();
  return (
    <Dialog title={texts.account.settings} onClose={onClose}>
      <label class="field">
        {settings.theme}
        <select value={chosen.theme} onChange={(event) => onChoose({ theme: event.currentTarget.value as Preferences['theme'] })}>
          <option value="system">{settings.themes.system}</option>
          <option value="light">{settings.themes.light}</option>
          <option value="dark">{settings.themes.dark}</option>
        </select>
      </label>
      <label class="field">
        {settings.language}
        <select value={chosen.language} onChange={(event) => onChoose({ language: event.currentTarget.value })}>
          <option value="">{settings.asBrowser}</option>
          {Object.entries(LANGUAGES).map(([tag, { language }]) => (
            <option key={tag} value={tag} lang={tag}>
              {language}
            </option>
          ))}
        </select>
      </label>
      {config.system_prompt && (
        <label class="field tall">
          {settings.systemPrompt}
          <textarea
            rows={4}
            dir="auto"
            placeholder={settings.ownPrompt}
            value={chosen.systemPrompt}
            onInput={(event) => onChoose({ systemPrompt: event.currentTarget.value })}
          />
        </label>
      )}
      <label class="check">
        <input type="checkbox" checked={chosen.singleKeys} onChange={(event) => onChoose({ singleKeys: event.currentTarget.checked })} />
        {settings.singleKeys}
      </label>
      <Close />
    </Dialog>
  );
}
