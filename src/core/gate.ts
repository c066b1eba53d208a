/** Lets a few through at a time, a bounded number wait in order, and refuses the rest. */
import { TroupeError } from "../errors/troupe-error.ts";

/**
 * @example
 * ```ts
 * const gate = new Gate({ name: "tokenizer pool", maxConcurrent: 3, maxQueued: 256 });
 * const ids = await gate.run(() => encode(text));
 * ```
 */
export class Gate {
  readonly #options: { readonly name: string; readonly maxConcurrent: number; readonly maxQueued: number };
  readonly #waiting: (() => void)[] = [];
  #numRunning = 0;

  constructor(options: {
    readonly name: string;
    readonly maxConcurrent: number;
    readonly maxQueued: number;
  }) {
    this.#options = options;
  }

  /** @throws TroupeError `queue_full` when too many wait; and what `work` throws */
  async run<T>(work: () => Promise<T>): Promise<T> {
    await this.#enter();
    try {
      return await work();
    } finally {
      this.#leave();
    }
  }

  #enter(): Promise<void> {
    const { name, maxConcurrent, maxQueued } = this.#options;
    if (this.#numRunning < maxConcurrent) {
      this.#numRunning++;
      return Promise.resolve();
    }
    if (this.#waiting.length >= maxQueued) {
      const message = `The ${name} has ${maxQueued} texts waiting, its limit. Retry later, or raise the limit.`;
      throw new TroupeError("queue_full", message, { details: { limit: maxQueued } });
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #leave(): void {
    const next = this.#waiting.shift();
    // the place passes on, so the count stays
    if (next === undefined) this.#numRunning--;
    else next();
  }
}
