/** The bar at the top: which model, a new chat, what can be done with the open one, and whose account it is. */
import { Download, Menu, Plus, Trash2 } from 'lucide';
import type { ComponentChildren } from 'preact';
import { useRef } from 'preact/hooks';
import { useConfig } from './config';
import { download, type Format } from './file';
import { Icon } from './icons';
import { Action } from './parts';
import type { Preferences } from './preferences';
import { skin } from './skin';
import { texts } from './texts';
import { useSession, useSnapshot, useUser } from './use-session';
import { LOG_OUT, type User } from './user';

/** The dialogs that can be over the page. */
export type Open = 'settings' | 'usage' | 'keys' | 'prompts' | 'palette' | 'clear' | 'wipe' | null;

interface HeaderProps {
  drawer: boolean;
  menu: { current: HTMLButtonElement | null };
  preferences: Preferences;
  onChoose: (changed: Partial<Preferences>) => void;
  onOpen: (dialog: Open) => void;
  onDrawer: () => void;
  onStart: () => void;
}

export function Header({ drawer, menu, preferences, onChoose, onOpen, onDrawer, onStart }: HeaderProps) {
  const { models } = useConfig();
  const begun = useSnapshot(({ messages }) => messages.length > 0);
  const user = useUser();
  return (
    <header inert={drawer}>
      <button
        type="button"
        class="quiet icon menu-button"
        ref={menu}
        aria-label={texts.chats.name}
        aria-expanded={drawer}
        onClick={onDrawer}
      >
        <Icon of={Menu} />
      </button>
      <img class="logo" src={skin.logo} alt="" />
      <span class="name">{texts.title}</span>
      {models.length > 1 && (
        <select
          aria-label={texts.model}
          value={preferences.model || models[0]}
          onChange={(event) => onChoose({ model: event.currentTarget.value })}
        >
          {models.map((model) => (
            <option key={model}>{model}</option>
          ))}
        </select>
      )}
      <button type="button" class="button plain new" aria-label={texts.chats.new} onClick={onStart}>
        <Icon of={Plus} />
        <span>{texts.chats.new}</span>
      </button>
      {begun && <Export onClear={() => onOpen('clear')} />}
      {user && <Account user={user} onOpen={onOpen} />}
    </header>
  );
}

interface DropdownProps {
  id: string;
  name: string;
  label: ComponentChildren;
  children: (close: () => void) => ComponentChildren;
}

/** A button and what it opens under it; what is chosen there closes it. */
function Dropdown({ id, name, label, children }: DropdownProps) {
  const menu = useRef<HTMLDivElement>(null);
  return (
    <>
      <button type="button" class={`quiet ${id}`} popovertarget={id} aria-label={name}>
        {label}
      </button>
      <div id={id} popover="auto" class="menu" ref={menu}>
        {children(() => menu.current!.hidePopover())}
      </div>
    </>
  );
}

const ENTRIES = ['settings', 'prompts', 'usage', 'keys', 'wipe'] as const;

function Account({ user, onOpen }: { user: User; onOpen: (dialog: Open) => void }) {
  return (
    <Dropdown id="account" name={user.userDetails} label={user.userDetails}>
      {(close) => (
        <>
          {ENTRIES.map((entry) => (
            <Entry key={entry} close={close} onClick={() => onOpen(entry)}>
              {texts.account[entry]}
            </Entry>
          ))}
          <a href={LOG_OUT}>{texts.logOut}</a>
        </>
      )}
    </Dropdown>
  );
}

const FORMATS: Format[] = ['txt', 'md', 'json'];

function Export({ onClear }: { onClear: () => void }) {
  const session = useSession();
  const label = (
    <>
      <Icon of={Download} />
      <span>{texts.exports.name}</span>
    </>
  );
  return (
    <>
      <Dropdown id="export" name={texts.exports.name} label={label}>
        {(close) => (
          <>
            {FORMATS.map((format) => (
              <Entry key={format} close={close} onClick={() => download(session.snapshot.open, format)}>
                {texts.exports[format]}
              </Entry>
            ))}
            <Entry close={close} onClick={() => print()}>
              {texts.exports.print}
            </Entry>
          </>
        )}
      </Dropdown>
      <Action icon={Trash2} name={texts.clear.button} onClick={onClear} />
    </>
  );
}

function Entry({ close, onClick, children }: { close: () => void; onClick: () => void; children: ComponentChildren }) {
  const chosen = () => {
    close();
    onClick();
  };
  return (
    <button type="button" class="quiet" onClick={chosen}>
      {children}
    </button>
  );
}
