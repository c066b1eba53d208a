/** Which tokens a sequence has seen and how often it has drawn them; what the penalties read. */

/** Distinct tokens in the order they were first seen, so that penalties touch only those. */
export class TokenCounts {
  readonly #slots = new Map<number, number>();
  readonly #ids: number[] = [];
  readonly #outputCounts: number[] = [];

  /**
   * @param promptIds tokens seen but not drawn
   * @param outputIds tokens drawn so far
   */
  constructor(promptIds: Int32Array, outputIds: Int32Array) {
    for (const id of promptIds) this.#slotOf(id);
    for (const id of outputIds) this.addOutput(id);
  }

  /** Counts one drawn token. */
  addOutput(id: number): void {
    const slot = this.#slotOf(id);
    this.#outputCounts[slot]! += 1;
  }

  /** Distinct tokens seen. [numSeen] */
  get ids(): readonly number[] {
    return this.#ids;
  }

  /** How often each of {@link ids} was drawn; 0 for a token of the prompt only. [numSeen] */
  get outputCounts(): readonly number[] {
    return this.#outputCounts;
  }

  #slotOf(id: number): number {
    const known = this.#slots.get(id);
    if (known !== undefined) return known;
    const slot = this.#ids.length;
    this.#slots.set(id, slot);
    this.#ids.push(id);
    this.#outputCounts.push(0);
    return slot;
  }
}
