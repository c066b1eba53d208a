/** Sequences in order of age, oldest first, however they come in: a preempted one finds its old place again. */
import { invariant } from "../errors/troupe-error.ts";
import type { Sequence } from "./sequence.ts";

/**
 * Holds the waiting and the running sequences.
 *
 * @example
 * ```ts
 * const queue = new SequenceQueue();
 * queue.add(younger);
 * queue.add(older);
 * queue.at(0); // older
 * ```
 */
export class SequenceQueue {
  readonly #sequences: Sequence[] = [];

  get size(): number {
    return this.#sequences.length;
  }

  /** The sequence at a place from the oldest on, or from the youngest with a negative one. */
  at(place: number): Sequence | undefined {
    return this.#sequences.at(place);
  }

  [Symbol.iterator](): IterableIterator<Sequence> {
    return this.#sequences.values();
  }

  /** @throws TroupeError `internal` when it is in the queue already */
  add(sequence: Sequence): void {
    const place = this.#placeOf(sequence);
    invariant(this.#sequences[place] !== sequence, `sequence ${sequence.number} is queued twice`);
    this.#sequences.splice(place, 0, sequence);
  }

  /** @throws TroupeError `internal` when it is not in the queue */
  remove(sequence: Sequence): void {
    const place = this.#placeOf(sequence);
    invariant(this.#sequences[place] === sequence, `sequence ${sequence.number} is not queued`);
    this.#sequences.splice(place, 1);
  }

  /** The youngest that fulfils the condition. */
  findYoungest(condition: (sequence: Sequence) => boolean): Sequence | undefined {
    return this.#sequences.findLast(condition);
  }

  /** Where the sequence is or belongs. The end is tried first: new ones are the youngest. */
  #placeOf(sequence: Sequence): number {
    const last = this.#sequences.at(-1);
    if (last === undefined || last.number < sequence.number) return this.#sequences.length;
    let low = 0;
    let high = this.#sequences.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#sequences[middle]!.number < sequence.number) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
