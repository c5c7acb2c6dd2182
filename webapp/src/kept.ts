/** Small things that this browser keeps without the database: preferences, and what belongs to one person. */

/** What is kept under a name; null where nothing is, or where it is broken. */
export function kept<T>(name: string): T | null {
  return attempt(() => JSON.parse(localStorage.getItem(name) ?? 'null') as T) ?? null;
}

/** Keep it; null forgets it. Where the browser keeps nothing for us, nothing happens. */
export function keep(name: string, value: unknown): void {
  attempt(() => (value === null ? localStorage.removeItem(name) : localStorage.setItem(name, JSON.stringify(value))));
}

/** Everything, of everybody. */
export function forgetAll(): void {
  attempt(() => localStorage.clear());
  attempt(() => sessionStorage.clear());
}

function attempt<T>(what: () => T): T | undefined {
  try {
    return what();
  } catch {
    return undefined;
  }
}
