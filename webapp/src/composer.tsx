/** Where a message is written, with files and by voice, and sent or stopped with the same button. */
import { ArrowUp, Mic, Paperclip, Square } from 'lucide';
import { useContext, useImperativeHandle, useRef, useState } from 'preact/hooks';
import { take } from './attach';
import { Attachments } from './attachments';
import { config } from './config';
import type { Attachment } from './conversation';
import { useDraft } from './draft';
import { useHeight } from './field';
import { Icon } from './icons';
import { Action } from './parts';
import { Say } from './say';
import { type Asked, isBusy } from './session';
import { texts } from './texts';
import { useSession, useSnapshot } from './use-session';
import { useVoice } from './voice';

const TOUCHED = matchMedia('(hover: none)').matches;
const { composer } = texts;

/** What others do to the composer. */
export interface Writing {
  focus(): void;
  /** Below what is written already. */
  add(text: string): void;
  clear(): void;
  attach(files: readonly File[]): void;
}

interface ComposerProps {
  online: boolean;
  singleKeys: boolean;
  writing: { current: Writing | null };
  onAsk: (question: string, asked: Asked) => boolean;
  onEditLast: () => void;
}

export function Composer({ online, singleKeys, writing, onAsk, onEditLast }: ComposerProps) {
  const session = useSession();
  const busy = useSnapshot(isBusy);
  const say = useContext(Say);
  const [draft, setDraft] = useDraft();
  const [attachments, setAttachments] = useState<Attachment[]>([]);
  const [refused, setRefused] = useState<string[]>([]);
  const [taking, setTaking] = useState(0);
  const [focused, setFocused] = useState(false);
  const field = useRef<HTMLTextAreaElement>(null);
  const voice = useVoice((heard) => setDraft(`${draft}${draft && !/\s$/.test(draft) ? ' ' : ''}${heard}`));
  const ready = online && !busy && taking === 0 && (draft.trim() !== '' || attachments.length > 0);
  const queue = useRef(Promise.resolve<Attachment[]>([]));
  const put = (changed: Attachment[]) => {
    queue.current = Promise.resolve(changed);
    setAttachments(changed);
  };
  /** One after the other, as each counts those before it. */
  const attach = (files: readonly File[]) => {
    setTaking((before) => before + 1);
    queue.current = queue.current.then(async (before) => {
      const taken = await take(files, before, await config);
      const all = [...before, ...taken.attachments];
      setAttachments(all);
      setRefused(taken.refused);
      setTaking((under) => under - 1);
      if (taken.attachments.length) say(texts.conversation.attached(taken.attachments.map(({ name }) => name).join(', ')));
      return all;
    });
  };
  const remove = (index: number) => {
    put(attachments.toSpliced(index, 1));
    field.current!.focus();
  };
  const clear = () => {
    setDraft('');
    put([]);
    setRefused([]);
    voice?.abort();
  };
  const add = (text: string) => setDraft(draft.trim() ? `${draft.trimEnd()}\n\n${text}` : text);
  useImperativeHandle(writing, () => ({ focus: () => field.current?.focus(), add, clear, attach }));
  useHeight(field, draft);
  const send = () => {
    if (ready && onAsk(draft, { attachments })) clear();
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
  const onPaste = (event: ClipboardEvent) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length || event.clipboardData?.types.includes('text/plain')) return; // a cell of a table comes as a picture, too
    event.preventDefault();
    attach(files);
  };
  const onClick = (event: MouseEvent) => {
    if (event.detail > 1) event.preventDefault(); // the second of a double click, meant for Send
  };
  const onSubmit = (event: Event) => {
    event.preventDefault();
    if (busy) session.stop();
    else send();
  };
  const keyed = focused ? composer.focused : singleKeys ? composer.blurred : composer.plain;
  const action = busy ? composer.stop : composer.send;
  return (
    <form class="composer" aria-label={composer.name} onSubmit={onSubmit}>
      {!online && (
        <p class="offline" role="alert">
          {composer.offline}
        </p>
      )}
      {[...refused, voice?.trouble].filter(Boolean).map((sentence, index) => (
        <p key={`${index} ${sentence}`} class="offline" role="alert">
          {sentence}
        </p>
      ))}
      <div class="box" aria-busy={taking > 0}>
        <Attachments of={attachments} onRemove={taking ? undefined : remove} />
        <label class="sr" for="message">
          {composer.message}
        </label>
        <textarea
          id="message"
          ref={field}
          rows={1}
          placeholder={TOUCHED ? composer.plain : keyed}
          value={draft}
          onInput={(event) => setDraft(event.currentTarget.value)}
          onKeyDown={onKeyDown}
          onPaste={onPaste}
          onFocus={() => setFocused(true)}
          onBlur={() => setFocused(false)}
          dir="auto"
        />
        <div class="bar">
          <label class="button quiet icon" title={texts.attach.action}>
            <Icon of={Paperclip} />
            <input
              type="file"
              class="sr"
              multiple
              aria-label={texts.attach.action}
              onChange={(event) => picked(event.currentTarget, attach)}
            />
          </label>
          {voice && <Action icon={Mic} name={voice.on ? composer.stopVoice : composer.voice} pressed={voice.on} onClick={voice.toggle} />}
          <button type="submit" class="send" aria-label={action} title={action} aria-disabled={!busy && !ready} onClick={onClick}>
            <Icon of={busy ? Square : ArrowUp} />
          </button>
        </div>
      </div>
      <p class="footer">{composer.footer}</p>
    </form>
  );
}

/** The same file can be picked again after it was taken out. */
function picked(input: HTMLInputElement, attach: (files: readonly File[]) => void): void {
  const files = [...(input.files ?? [])];
  input.value = '';
  attach(files);
}
