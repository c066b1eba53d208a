/**
 * The k largest logits of a row without sorting it: a min-heap of k entries and one pass. Serves the top-k filter (Fan et
 * al., "Hierarchical neural story generation", 2018) and the alternatives of log-probabilities.
 *
 * Of equal logits the lower token id is the better one, everywhere in the sampler.
 */
import { invariant } from "../errors/troupe-error.ts";

/** Scratch for selections; reused from row to row. */
export class TopK {
  readonly #ids: Int32Array;
  readonly #logits: Float32Array;
  #size = 0;

  /** @param capacity the largest k */
  constructor(capacity: number) {
    this.#ids = new Int32Array(capacity);
    this.#logits = new Float32Array(capacity);
  }

  /**
   * Selects the min(k, vocabSize) best tokens; a token whose logit is -Infinity is never one.
   *
   * @param row logits [vocabSize], free of NaN
   */
  select(row: Float32Array, k: number): void {
    const limit = Math.min(k, row.length);
    invariant(limit <= this.#ids.length, `${limit} tokens are more than the capacity of ${this.#ids.length}`);
    this.#size = 0;
    let i = 0;
    for (; i < row.length && this.#size < limit; i++) {
      if (row[i]! > Number.NEGATIVE_INFINITY) this.#push(i, row[i]!);
    }
    if (this.#size === 0) return;
    let worst = this.#logits[0]!;
    // Ids ascend, so an equal logit found later is the worse one.
    for (; i < row.length; i++) {
      const logit = row[i]!;
      if (logit > worst) {
        this.#sink(0, this.#size, i, logit);
        worst = this.#logits[0]!;
      }
    }
  }

  /** Tokens selected. */
  get size(): number {
    return this.#size;
  }

  /** The worst logit selected. Only after a selection that was not empty. */
  get worstLogit(): number {
    return this.#logits[0]!;
  }

  /** The token of {@link worstLogit}: the highest id among equals. */
  get worstId(): number {
    return this.#ids[0]!;
  }

  /** The selected tokens, best first. Ends the selection: the order the other getters rely on is gone. [size] */
  takeSorted(): Int32Array {
    const size = this.#size;
    for (let end = size - 1; end > 0; end--) {
      const id = this.#ids[end]!;
      const logit = this.#logits[end]!;
      this.#ids[end] = this.#ids[0]!;
      this.#logits[end] = this.#logits[0]!;
      this.#sink(0, end, id, logit);
    }
    this.#size = 0;
    return this.#ids.subarray(0, size);
  }

  #push(id: number, logit: number): void {
    let slot = this.#size++;
    while (slot > 0) {
      const parent = (slot - 1) >> 1;
      if (!isWorse(logit, id, this.#logits[parent]!, this.#ids[parent]!)) break;
      this.#move(parent, slot);
      slot = parent;
    }
    this.#put(slot, id, logit);
  }

  /** Puts an entry at `slot` of a heap of `size` entries and moves it down to its place. */
  #sink(slot: number, size: number, id: number, logit: number): void {
    for (;;) {
      let child = 2 * slot + 1;
      if (child >= size) break;
      if (child + 1 < size && this.#isWorseSlot(child + 1, child)) child++;
      if (!isWorse(this.#logits[child]!, this.#ids[child]!, logit, id)) break;
      this.#move(child, slot);
      slot = child;
    }
    this.#put(slot, id, logit);
  }

  #isWorseSlot(a: number, b: number): boolean {
    return isWorse(this.#logits[a]!, this.#ids[a]!, this.#logits[b]!, this.#ids[b]!);
  }

  #move(from: number, to: number): void {
    this.#ids[to] = this.#ids[from]!;
    this.#logits[to] = this.#logits[from]!;
  }

  #put(slot: number, id: number, logit: number): void {
    this.#ids[slot] = id;
    this.#logits[slot] = logit;
  }
}

function isWorse(logitA: number, idA: number, logitB: number, idB: number): boolean {
  return logitA < logitB || (logitA === logitB && idA > idB);
}
