/** Pumps a handler's items to the consumer, as far as its credit goes. */
import type { InboundCall } from "./inbound-call.ts";

/** What became of a handler's iteration, reported once. */
export type ProducerEnd = { readonly kind: "done" } | { readonly kind: "threw"; readonly error: unknown };

export class StreamProducer {
  readonly #call: InboundCall;
  readonly #iterator: AsyncIterator<unknown>;
  readonly #onEnd: (end: ProducerEnd) => void;
  #credit: number;
  #sequence = 0;
  #wake: (() => void) | null = null;
  #returned: Promise<void> | null = null;

  constructor(
    call: InboundCall,
    items: AsyncIterable<unknown>,
    window: number,
    onEnd: (end: ProducerEnd) => void,
  ) {
    this.#call = call;
    this.#iterator = items[Symbol.asyncIterator]();
    this.#credit = window;
    this.#onEnd = onEnd;
    call.onCredit = (numItems) => {
      this.#credit += numItems;
      this.#resume();
    };
    call.onCancel = () => this.stop();
  }

  /** Runs until the iteration ends, the consumer cancels, or the call was failed from elsewhere. Never rejects. */
  async run(): Promise<void> {
    try {
      await this.#pump();
      this.#onEnd({ kind: "done" });
    } catch (error) {
      this.#onEnd({ kind: "threw", error });
    }
  }

  /** The call is over: wakes a pump that waits for credit, and ends an iterator that waits for its next item. */
  stop(): void {
    this.#resume();
    this.#returned ??= this.#return();
    // The pump reports what return() throws; here it would only be an unhandled rejection.
    this.#returned.catch(() => undefined);
  }

  async #return(): Promise<void> {
    await this.#iterator.return?.();
  }

  async #pump(): Promise<void> {
    for (;;) {
      while (this.#credit === 0 && !this.#call.isOver) await this.#nextCredit();
      if (this.#call.isOver) break;
      const result = await this.#iterator.next();
      if (result.done === true) {
        this.#call.end(this.#sequence);
        return;
      }
      if (this.#call.isOver) break;
      this.#credit--;
      if (!this.#call.item(this.#sequence++, result.value)) break;
    }
    this.#returned ??= this.#return();
    await this.#returned;
  }

  #nextCredit(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #resume(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
}
