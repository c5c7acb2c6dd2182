/** The page's address, which names the chat that is open. */
export interface Address {
  /** The conversation that it names; null is a new one. */
  get(): string | null;
  /** Go to a conversation, as a step back leads from. */
  push(id: string | null): void;
  replace(id: string | null): void;
}

export const browserAddress: Address = {
  get: () => /^\/c\/([\w-]+)$/.exec(location.pathname)?.[1] ?? null,
  push: (id) => history.pushState(null, '', pathOf(id)),
  replace: (id) => history.replaceState(null, '', pathOf(id)),
};

const pathOf = (id: string | null) => (id ? `/c/${id}` : '/');
