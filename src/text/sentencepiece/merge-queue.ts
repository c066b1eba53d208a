/** The agenda of BPE: candidate merges, the best score first, the leftmost among equals. A binary heap. */

/** Two neighbouring symbols that would make a piece. */
export interface Merge {
  /** Indices of the symbols. */
  readonly left: number;
  readonly right: number;
  readonly score: number;
  /** Code units of the piece, which tell whether the symbols are still those that were seen. */
  readonly length: number;
}

/** See the module header. */
export class MergeQueue {
  readonly #heap: Merge[] = [];

  push(merge: Merge): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(merge);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!comesBefore(merge, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = merge;
  }

  /** The best one, taken out; undefined when there is none. */
  pop(): Merge | undefined {
    const heap = this.#heap;
    const best = heap[0];
    const last = heap.pop();
    if (best === undefined || last === undefined || heap.length === 0) return best;
    let at = 0;
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      if (child + 1 < heap.length && comesBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!comesBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return best;
  }
}

function comesBefore(a: Merge, b: Merge): boolean {
  return a.score > b.score || (a.score === b.score && a.left < b.left);
}
