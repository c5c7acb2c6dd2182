/** The files of a question: an image as one sees it, a text by its name. */
import { FileText, X } from 'lucide';
import type { Attachment } from './conversation';
import { Icon } from './icons';
import { Action } from './parts';
import { texts } from './texts';

/** With `onRemove`, each can be taken out again. */
export function Attachments({ of, onRemove }: { of: Attachment[]; onRemove?: ((index: number) => void) | undefined }) {
  if (!of.length) return null;
  return (
    <ul class="attachments" aria-label={texts.attach.name}>
      {of.map(({ kind, name, data }, index) => (
        <li key={index} class={kind}>
          {kind === 'image' ? (
            <img src={data} alt={texts.conversation.attached(name)} title={name} />
          ) : (
            <span title={name}>
              <Icon of={FileText} />
              <span class="file">{name}</span>
            </span>
          )}
          {onRemove && <Action icon={X} name={texts.attach.remove(name)} onClick={() => onRemove(index)} />}
        </li>
      ))}
    </ul>
  );
}
