/**
 * A queue between one producer that must not wait and one consumer that may be slow. It tells the producer when to
 * pause and when to go on, and remembers a failure until the consumer reaches it.
 */

/** Marks and callbacks of an {@link EventQueue}. */
export interface EventQueueOptions {
  /** Items waiting at which `onHigh` is called. */
  readonly highWaterMark: number;
  /** Items waiting at which, after a high, `onLow` is called. */
  readonly lowWaterMark: number;
  readonly onHigh: () => void;
  readonly onLow: () => void;
}

const UNBOUNDED: EventQueueOptions = {
  highWaterMark: Number.POSITIVE_INFINITY,
  lowWaterMark: 0,
  onHigh: () => undefined,
  onLow: () => undefined,
};

/**
 * @example
 * ```ts
 * const queue = new EventQueue<string>({ highWaterMark: 8, lowWaterMark: 2, onHigh: pause, onLow: resume });
 * queue.push("a");
 * queue.end();
 * for await (const item of queue) console.log(item);
 * ```
 */
export class EventQueue<T> implements AsyncIterable<T> {
  readonly #options: EventQueueOptions;
  #items: T[] = [];
  #head = 0;
  #isHigh = false;
  #outcome: { readonly error: unknown } | "ended" | null = null;
  #wake: (() => void) | null = null;

  /** @param options absent: the producer cannot wait, so whatever comes is kept */
  constructor(options: EventQueueOptions = UNBOUNDED) {
    this.#options = options;
  }

  /** Items that wait. */
  get size(): number {
    return this.#items.length - this.#head;
  }

  /** Adds an item; ignored after `end` or `fail`. */
  push(item: T): void {
    if (this.#outcome !== null) return;
    this.#items.push(item);
    if (!this.#isHigh && this.size >= this.#options.highWaterMark) {
      this.#isHigh = true;
      this.#options.onHigh();
    }
    this.#signal();
  }

  /** The consumer's loop ends after the items that wait. */
  end(): void {
    this.#outcome ??= "ended";
    this.#signal();
  }

  /** The consumer's loop throws `error` after the items that wait. */
  fail(error: unknown): void {
    this.#outcome ??= { error };
    this.#signal();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for (;;) {
      while (this.size > 0) yield this.#shift();
      if (this.#outcome === "ended") return;
      if (this.#outcome !== null) throw this.#outcome.error;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #shift(): T {
    const item = this.#items[this.#head++]!;
    if (this.#head > 64 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    if (this.#isHigh && this.size <= this.#options.lowWaterMark) {
      this.#isHigh = false;
      this.#options.onLow();
    }
    return item;
  }

  #signal(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
}
