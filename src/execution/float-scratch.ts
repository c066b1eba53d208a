/** Float buffers that live until the end of a step and are used again in the next one, so that steps make no garbage. */
export class FloatScratch {
  #block = new Float32Array(0);
  #used = 0;

  /** Gives up everything taken so far. */
  reset(): void {
    this.#used = 0;
  }

  /** A buffer of `length` elements with arbitrary content, valid until the next reset. */
  take(length: number): Float32Array {
    if (this.#used + length > this.#block.length) {
      // Buffers taken before keep the old block alive until they are dropped.
      this.#block = new Float32Array(Math.max(2 * this.#block.length, this.#used + length));
      this.#used = 0;
    }
    const start = this.#used;
    this.#used += length;
    return this.#block.subarray(start, this.#used);
  }
}
