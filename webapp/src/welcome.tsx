/** What an empty chat shows: a greeting, and what could be asked first. */
import { useConfig } from './config';
import { Usage } from './parts';
import { texts } from './texts';
import type { TurnProps } from './turn';

export function Welcome({ lost, onAsk }: { lost: boolean; onAsk: TurnProps['onAsk'] }) {
  const { suggestions } = useConfig();
  const shown = suggestions.length ? suggestions : texts.suggestions;
  return (
    <section class="welcome" aria-labelledby="greeting">
      {lost && <p class="note">{texts.chats.unknown}</p>}
      <h2 id="greeting">{texts.greeting}</h2>
      <ul>
        {shown.map(({ topic, question }) => (
          <li key={question}>
            <button type="button" aria-label={texts.conversation.ask(question)} onClick={() => onAsk(question)}>
              {topic && <b>{topic}</b>}
              {question}
            </button>
          </li>
        ))}
      </ul>
      <div class="usage">
        <Usage />
      </div>
    </section>
  );
}
