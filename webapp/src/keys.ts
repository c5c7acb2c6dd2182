/** The keyboard's shortcuts, wherever the focus is. */
import { useListener } from './listen';

export interface Shortcuts {
  write: () => void;
  start: () => void;
  palette: () => void;
  help: () => void;
  escape: () => void;
  copyCode: () => void;
}

/** Focus what appears with the state just set. Preact draws that in a microtask; any later, and the focus would be taken from what was used since. */
export const onceDrawn = (focus: () => void): void => queueMicrotask(focus);

/** What a key does: single ones only outside of fields, and only where they are wanted. */
export function shortcut(event: KeyboardEvent, singleKeys: boolean): keyof Shortcuts | null {
  if (event.isComposing) return null;
  if (event.key === 'Escape') return event.target instanceof HTMLInputElement && event.target.value ? null : 'escape';
  const key = event.key.toLowerCase();
  if (event.ctrlKey || event.metaKey) {
    if (event.shiftKey) return key === 'o' ? 'start' : key === 'c' ? 'copyCode' : null;
    return key === 'k' ? 'palette' : null;
  }
  if (!singleKeys || event.altKey || isField(event.target)) return null;
  return key === '/' || key === '\\' ? 'write' : key === '?' ? 'help' : null;
}

function isField(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

export function useShortcuts(singleKeys: boolean, shortcuts: Shortcuts): void {
  useListener(window, 'keydown', (event: KeyboardEvent) => {
    if (document.querySelector('dialog[open], [popover]:popover-open')) return; // they close by themselves
    const which = shortcut(event, singleKeys);
    if (!which) return;
    if (which !== 'escape') event.preventDefault();
    shortcuts[which]();
  });
}
