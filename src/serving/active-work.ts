/** The requests in flight, so that stopping can wait for them and, at the deadline, cut them. */
import type { Clock } from "../core/clock.ts";
import { TroupeError } from "../errors/troupe-error.ts";

/** How long a client may take to read that its request was cut. */
export const CUT_GRACE_MS = 1_000;

/** Ends one request early. */
export type Cut = (reason: TroupeError) => void;

/** A request that was let in. */
export interface Admission {
  /** To be called when the request has ended, however; once. */
  finish(): void;
  /** Its work goes on without it: it counts toward its client's limit until then as well. */
  countUntil(ended: Promise<void>): void;
}

/** @see createServer */
export class ActiveWork {
  readonly #clock: Clock;
  readonly #maxPerClient: number | null;
  readonly #cuts = new Set<Cut>();
  readonly #numByClient = new Map<string, number>();
  #isClosing = false;
  #onEmpty: (() => void) | null = null;
  readonly #drained = Promise.withResolvers<void>();

  /** @param maxPerClient requests that one client may have in flight; null sets no limit. */
  constructor(clock: Clock, maxPerClient: number | null = null) {
    this.#clock = clock;
    this.#maxPerClient = maxPerClient;
  }

  /** True as soon as `close` has been called. */
  get isClosing(): boolean {
    return this.#isClosing;
  }

  /** Resolves when `close` has been called and nothing is in flight any more, or its time is over. */
  get drained(): Promise<void> {
    return this.#drained.promise;
  }

  /** Requests in flight. */
  get size(): number {
    return this.#cuts.size;
  }

  /**
   * @param client who asks, as {@link Access} names it; without it no limit by client applies.
   * @throws TroupeError `not_ready` while closing; `rate_limited` when the client has too many in flight.
   */
  add(cut: Cut, client?: string): Admission {
    if (this.#isClosing)
      throw new TroupeError(
        "not_ready",
        "The server is stopping and takes no new requests. Retry elsewhere or later.",
      );
    const leave = client === undefined ? () => undefined : this.#enterWithin(client);
    const part = this.join(cut);
    const ends: Promise<void>[] = [];
    return {
      finish: () => {
        part();
        if (ends.length === 0) leave();
        else void Promise.all(ends).then(leave);
      },
      countUntil: (ended) => void ends.push(ended),
    };
  }

  /** The same without a limit, also while closing: for readers of what other work makes. */
  join(cut: Cut): () => void {
    this.#cuts.add(cut);
    return () => {
      if (this.#cuts.delete(cut) && this.#cuts.size === 0) this.#onEmpty?.();
    };
  }

  #enterWithin(client: string): () => void {
    const numHere = this.#numByClient.get(client) ?? 0;
    if (this.#maxPerClient !== null && numHere >= this.#maxPerClient) {
      const text = `You have ${numHere} requests in flight, the limit of this server. Wait for one to end.`;
      throw new TroupeError("rate_limited", text);
    }
    this.#numByClient.set(client, numHere + 1);
    return () => {
      const numLeft = this.#numByClient.get(client)! - 1;
      if (numLeft === 0) this.#numByClient.delete(client);
      else this.#numByClient.set(client, numLeft);
    };
  }

  /** Refuses new requests and waits for those in flight; cuts what is left after `drainMs`. */
  async close(drainMs: number): Promise<void> {
    this.#isClosing = true;
    if (this.#cuts.size > 0) await this.#drain(drainMs);
    this.#drained.resolve();
  }

  async #drain(drainMs: number): Promise<void> {
    const empty = new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
    const cut = this.#clock.schedule(drainMs, () => this.#cutAll());
    const giveUp = this.#clock.schedule(drainMs + CUT_GRACE_MS, () => this.#onEmpty?.());
    await empty;
    cut.cancel();
    giveUp.cancel();
  }

  /** Cuts what is in flight now, before the deadline of a `close` that waits. */
  cut(): void {
    this.#cutAll();
  }

  #cutAll(): void {
    const reason = new TroupeError(
      "not_ready",
      "The server is stopping and the time to finish is over. Retry.",
    );
    for (const cut of [...this.#cuts]) cut(reason);
  }
}
