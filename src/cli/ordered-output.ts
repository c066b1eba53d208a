/** Puts the texts of answers that grow side by side in order: the first unfinished one streams, later ones wait. */
import { type Output, write } from "./cli-context.ts";

/** One slot per answer; the texts come out in the order of the slots. */
export class OrderedOutput {
  readonly #output: Output;
  readonly #waiting = new Map<number, string>();
  readonly #ended = new Set<number>();
  #current = 0;

  constructor(output: Output) {
    this.#output = output;
  }

  /** Adds text to a slot. Waits while the reader is slow, when the text goes straight out. */
  async write(slot: number, text: string): Promise<void> {
    if (slot === this.#current) await write(this.#output, text);
    else this.#waiting.set(slot, (this.#waiting.get(slot) ?? "") + text);
  }

  /** Nothing more comes for this slot. */
  async end(slot: number): Promise<void> {
    this.#ended.add(slot);
    while (this.#ended.has(this.#current)) {
      this.#current++;
      const text = this.#waiting.get(this.#current) ?? "";
      this.#waiting.delete(this.#current);
      await write(this.#output, text);
    }
  }
}
