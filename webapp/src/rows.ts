/** The list of chats as rows of one height: pinned ones, then by how long ago they changed, under headings. */
import type { Summary } from './conversation';
import { locale, texts } from './texts';

export type Row = { group: string; chat: Summary | null };

const DAY_MS = 24 * 60 * 60 * 1000;

/** `kept` is the last changed first. A row without a chat is its group's heading. */
export function rowsOf(kept: readonly Summary[], now: number): Row[] {
  const isPinned = ({ pinned }: Summary) => (pinned ?? 0) > 0;
  const today = new Date(now).setHours(0, 0, 0, 0);
  const month = new Intl.DateTimeFormat(locale, { month: 'long', year: 'numeric' });
  const groupOf = (chat: Summary) => {
    if (isPinned(chat)) return texts.chats.pinned;
    const days = Math.ceil((today - chat.at) / DAY_MS);
    if (days <= 0) return texts.chats.today;
    if (days === 1) return texts.chats.yesterday;
    return days <= 7 ? texts.chats.week : days <= 30 ? texts.chats.month : month.format(chat.at);
  };
  const rows: Row[] = [];
  for (const chat of [...kept.filter(isPinned), ...kept.filter((each) => !isPinned(each))]) {
    const group = groupOf(chat);
    if (rows.at(-1)?.group !== group) rows.push({ group, chat: null });
    rows.push({ group, chat });
  }
  return rows;
}

/** Rows by their group; the first group's heading may be out of sight. */
export function sectionsOf(rows: readonly Row[]): { group: string; headed: boolean; chats: Summary[] }[] {
  return [...Map.groupBy(rows, ({ group }) => group)].map(([group, members]) => {
    const chats = members.flatMap(({ chat }) => chat ?? []);
    return { group, headed: chats.length < members.length, chats };
  });
}
