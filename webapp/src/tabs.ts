/** Which chat is answered in which tab: a lock that a tab holds as long as it answers; the browser lets go of it when the tab goes. */
export interface Tabs {
  /** Hold a conversation; what is given back lets it go. */
  hold(id: string): () => void;
  isHeld(id: string): Promise<boolean>;
  /** Until nobody holds it any more. */
  free(id: string): Promise<void>;
}

export const browserTabs: Tabs = {
  hold(id) {
    let release!: () => void;
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    void navigator.locks.request(lockOf(id), () => released);
    return release;
  },
  async isHeld(id) {
    const { held } = await navigator.locks.query();
    return held?.some(({ name }) => name === lockOf(id)) ?? false;
  },
  async free(id) {
    await navigator.locks.request(lockOf(id), () => undefined);
  },
};

const lockOf = (id: string) => `answering ${id}`;
