/** Small parts that several pages show. */
import { Check, Copy as CopyIcon, type IconNode, X } from 'lucide';
import type { RefObject } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { Icon } from './icons';
import { texts } from './texts';

const LINKS = [
  [texts.privacy, 'https://go.microsoft.com/fwlink/?LinkId=521839'],
  [texts.responsibleAi, 'https://www.microsoft.com/ai/responsible-ai'],
];

/** What everybody should know before they ask. */
export function Usage() {
  return (
    <>
      <p>{texts.usage}</p>
      <ul>
        {LINKS.map(([name, href]) => (
          <li key={href}>
            <a href={href} target="_blank" rel="noopener noreferrer">
              {name}
            </a>
          </li>
        ))}
      </ul>
    </>
  );
}

/** A sentence with somebody's name in its middle. */
export function Named({ parts: [before, name, after] }: { parts: string[] }) {
  return (
    <>
      {before}
      <b>{name}</b>
      {after}
    </>
  );
}

interface CopyProps {
  text: string;
  label: string;
  /** Whether it is shown as an icon. */
  icon?: boolean;
  say: (status: string) => void;
}

/** A button that copies, and says for two seconds that it did, to the eye and to a screen reader; or that it could not. */
export function Copy({ text, label, icon = false, say }: CopyProps) {
  const [said, setSaid] = useState('');
  useEffect(() => {
    if (!said) return;
    const timer = setTimeout(() => setSaid(''), 2000);
    return () => clearTimeout(timer);
  }, [said]);
  const copy = async () => {
    const done = await navigator.clipboard.writeText(text).then(
      () => texts.copied,
      () => texts.notCopied,
    );
    setSaid(done);
    say(done);
  };
  if (icon)
    return <Action icon={{ [texts.copied]: Check, [texts.notCopied]: X }[said] ?? CopyIcon} name={label} onClick={() => void copy()} />;
  return (
    <button type="button" onClick={copy}>
      {said || label}
    </button>
  );
}

export interface ActionProps {
  icon: IconNode;
  /** What it does, for a screen reader and as a tool tip. */
  name: string;
  onClick: () => void;
  button?: RefObject<HTMLButtonElement | null>;
  disabled?: boolean;
  /** Disabled, but where the focus can stay. */
  ariaDisabled?: boolean;
  pressed?: boolean;
  /** Whether what it opens is open. */
  expanded?: boolean;
}

/** A quiet button with an icon. */
export function Action({ icon, name, onClick, button, disabled = false, ariaDisabled, pressed, expanded }: ActionProps) {
  return (
    <button
      type="button"
      class="quiet icon"
      aria-label={name}
      title={name}
      ref={button}
      disabled={disabled}
      aria-disabled={ariaDisabled}
      aria-pressed={pressed}
      aria-expanded={expanded}
      onClick={onClick}
    >
      <Icon of={icon} />
    </button>
  );
}
