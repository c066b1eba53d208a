/**
 * Sends to names that this thread does not know yet. A reference can arrive in a message before the system's thread
 * has announced the actor here, so such sends wait, in order, until the system's thread has been asked.
 */
export class UnresolvedSends {
  readonly #byName = new Map<string, (() => void)[]>();
  readonly #syncs = new Map<number, string>();
  readonly #ask: (syncId: number) => void;
  #lastSyncId = 0;

  /** `ask` sends a question to the system's thread, whose answer comes after every announcement made before it. */
  constructor(ask: (syncId: number) => void) {
    this.#ask = ask;
  }

  /** Waiting sends to that name; later ones must queue behind them. */
  has(name: string): boolean {
    return this.#byName.has(name);
  }

  /** False when too many wait already. */
  add(name: string, send: () => void): boolean {
    const waiting = this.#byName.get(name);
    if (waiting !== undefined) {
      if (waiting.length >= MAX_WAITING) return false;
      waiting.push(send);
      return true;
    }
    this.#byName.set(name, [send]);
    const syncId = ++this.#lastSyncId;
    this.#syncs.set(syncId, name);
    this.#ask(syncId);
    return true;
  }

  /** The name has been announced: sends what waits. */
  release(name: string): void {
    const waiting = this.#byName.get(name);
    this.#byName.delete(name);
    for (const send of waiting ?? []) send();
  }

  /** Every announcement from before the question has been heard: what still waits is unknown. */
  synced(syncId: number): void {
    const name = this.#syncs.get(syncId);
    this.#syncs.delete(syncId);
    if (name !== undefined) this.release(name);
  }
}

const MAX_WAITING = 1024;
