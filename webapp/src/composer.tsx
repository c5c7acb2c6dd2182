/** Where a message is written, and sent or stopped with the same button. */
import { useState } from 'preact/hooks';
import { texts } from './texts';

const TOUCHED = matchMedia('(hover: none)').matches;

interface ComposerProps {
  draft: string;
  busy: boolean;
  online: boolean;
  singleKeys: boolean;
  field: { current: HTMLTextAreaElement | null };
  onDraft: (text: string) => void;
  onAsk: (question: string) => void;
  onStop: () => void;
  onEditLast: () => void;
}

export function Composer({ draft, busy, online, singleKeys, field, onDraft, onAsk, onStop, onEditLast }: ComposerProps) {
  const [focused, setFocused] = useState(false);
  const send = () => {
    if (!busy && online && draft.trim()) onAsk(draft);
  };
  // While an input method composes, Enter chooses a word; 229 is how older browsers say so.
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing && event.keyCode !== 229) {
      event.preventDefault();
      send();
    }
    if (event.key === 'ArrowUp' && draft === '' && !busy) {
      event.preventDefault();
      onEditLast();
    }
  };
  const onClick = (event: MouseEvent) => {
    if (event.detail > 1) event.preventDefault(); // the second of a double click, meant for Send
  };
  const onSubmit = (event: Event) => {
    event.preventDefault();
    if (busy) onStop();
    else send();
  };
  const { composer } = texts;
  const keyed = focused ? composer.focused : singleKeys ? composer.blurred : composer.plain;
  return (
    <form class="composer" aria-label={composer.name} onSubmit={onSubmit}>
      {!online && (
        <p class="offline" role="alert">
          {composer.offline}
        </p>
      )}
      <div class="box">
        <label class="sr" for="message">
          {composer.message}
        </label>
        <textarea
          id="message"
          ref={field}
          rows={1}
          autofocus
          placeholder={TOUCHED ? composer.plain : keyed}
          value={draft}
          onInput={(event) => onDraft(event.currentTarget.value)}
          onKeyDown={onKeyDown}
          onFocus={() => setFocused(true)}
          onBlur={() => setFocused(false)}
          dir="auto"
        />
        <button type="submit" aria-disabled={!busy && (!online || !draft.trim())} onClick={onClick}>
          {busy ? composer.stop : composer.send}
        </button>
      </div>
      <p class="footer">{composer.footer}</p>
    </form>
  );
}
