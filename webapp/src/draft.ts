/** What somebody has written and not sent; kept over a reload and a new sign-in, for them alone. */
import { useEffect, useState } from 'preact/hooks';
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
  useListener(window, 'pagehide', () => user && keepDraft(user.userId, draft));
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
