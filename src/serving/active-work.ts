/** The requests in flight, so that stopping can wait for them and, at the deadline, cut them. */
import type { Clock } from "../core/clock.ts";
import { TroupeError } from "../errors/troupe-error.ts";

/** How long a client may take to read that its request was cut. */
export const CUT_GRACE_MS = 1_000;

/** Ends one request early. */
export type Cut = (reason: TroupeError) => void;

/** @see createServer */
export class ActiveWork {
  readonly #clock: Clock;
  readonly #cuts = new Set<Cut>();
  #isClosing = false;
  #onEmpty: (() => void) | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** True as soon as `close` has been called. */
  get isClosing(): boolean {
    return this.#isClosing;
  }

  /** Requests in flight. */
  get size(): number {
    return this.#cuts.size;
  }

  /**
   * @returns to be called when the request has ended, however.
   * @throws TroupeError `not_ready` while closing.
   */
  add(cut: Cut): () => void {
    if (this.#isClosing)
      throw new TroupeError(
        "not_ready",
        "The server is stopping and takes no new requests. Retry elsewhere or later.",
      );
    this.#cuts.add(cut);
    return () => {
      if (this.#cuts.delete(cut) && this.#cuts.size === 0) this.#onEmpty?.();
    };
  }

  /** Refuses new requests and waits for those in flight; cuts what is left after `drainMs`. */
  async close(drainMs: number): Promise<void> {
    this.#isClosing = true;
    if (this.#cuts.size === 0) return;
    const empty = new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
    const cut = this.#clock.schedule(drainMs, () => this.#cutAll());
    const giveUp = this.#clock.schedule(drainMs + CUT_GRACE_MS, () => this.#onEmpty?.());
    await empty;
    cut.cancel();
    giveUp.cancel();
  }

  #cutAll(): void {
    const reason = new TroupeError(
      "not_ready",
      "The server is stopping and the time to finish is over. Retry.",
    );
    for (const cut of [...this.#cuts]) cut(reason);
  }
}
