/** Small parts that several pages show. */
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
