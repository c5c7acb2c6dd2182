/** What a table has under a name that came from elsewhere; never what every object inherits, such as `toString`. */
export function known<T>(table: Record<string, T>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}
