/** Small parts that several pages show. */
import { useEffect, useState } from 'preact/hooks';
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
  class?: string;
  say: (status: string) => void;
}

/** A button that copies, and says for two seconds that it did, to the eye and to a screen reader; or that it could not. */
export function Copy({ text, label, say, ...look }: CopyProps) {
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
  return (
    <button type="button" {...look} onClick={copy}>
      {said || label}
    </button>
  );
}
