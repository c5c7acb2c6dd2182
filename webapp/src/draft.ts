/** What somebody has written and not sent; kept over a reload and a new sign-in, for them alone. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { useListener } from './listen';
import { useUser } from './use-session';

const keyOf = (userId: string) => `draft ${userId}`;

/** Keep it for when they are here again. */
export function keepDraft(userId: string, text: string): void {
  try {
    if (text.trim()) sessionStorage.setItem(keyOf(userId), text);
  } catch {
    // this browser keeps nothing
  }
}

/** The draft: what the address proposes with `?q=`, else what this user had written. */
export function useDraft(): [string, (text: string) => void] {
  const user = useUser();
  const [draft, setDraft] = useState(() => new URLSearchParams(location.search).get('q') ?? '');
  useEffect(() => {
    if (!user) return;
    const kept = takeDraft(user.userId);
    if (kept) setDraft((written) => written || kept);
  }, [user?.userId]);
  const hid = useRef(false);
  const leave = () => {
    if (!user || !draft.trim()) return;
    keepDraft(user.userId, draft);
    hid.current = true;
  };
  useListener(window, 'pagehide', leave);
  useListener(document, 'visibilitychange', () => {
    if (document.visibilityState === 'hidden') return leave(); // a phone may end the page without a word
    if (user && hid.current) takeDraft(user.userId); // it is here, and must not come back once it is sent
    hid.current = false;
  });
  return [draft, setDraft];
}

function takeDraft(userId: string): string {
  try {
    const kept = sessionStorage.getItem(keyOf(userId)) ?? '';
    sessionStorage.removeItem(keyOf(userId));
    return kept;
  } catch {
    return '';
  }
}
