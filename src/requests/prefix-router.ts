/**
 * Chooses the engine for a prompt: the one that has seen its longest beginning, unless that one has clearly more to do
 * than the least loaded, which is taken otherwise. It remembers where it sent prompts, a bounded number of pieces, oldest
 * forgotten first; it asks no engine. Pure: told the loads, never reads them.
 */

/** What may be chosen among. */
export interface Candidate {
  readonly index: number;
  /** Requests it has. */
  readonly load: number;
}

/** The holder of a prefix may have this many requests more than the least loaded engine. */
const MAX_EXTRA_LOAD = 4;
const DEFAULT_MAX_PIECES = 100_000;

/** See the module header. */
export class PrefixRouter {
  /** The engine that each piece went to last, oldest first. */
  readonly #holders = new Map<string, number>();
  readonly #maxPieces: number;
  #numChosen = 0;

  constructor(maxPieces = DEFAULT_MAX_PIECES) {
    this.#maxPieces = maxPieces;
  }

  /**
   * @param pieces from `promptPieces`
   * @param candidates engines that take requests, by index
   * @returns all of them, the best first
   */
  rank(pieces: readonly string[], candidates: readonly Candidate[]): Candidate[] {
    const turn = this.#numChosen++;
    const count = candidates.length;
    // Equal loads take turns.
    const byLoad = candidates
      .map((candidate, position) => ({ candidate, order: (position - turn + turn * count) % count }))
      .sort((a, b) => a.candidate.load - b.candidate.load || a.order - b.order)
      .map(({ candidate }) => candidate);
    const holder = this.#holderOf(pieces, candidates);
    const leastLoad = byLoad[0]?.load ?? 0;
    if (holder === undefined || holder.load > leastLoad + MAX_EXTRA_LOAD) return byLoad;
    return [holder, ...byLoad.filter((candidate) => candidate !== holder)];
  }

  /** The engine has the prompt now. */
  sent(pieces: readonly string[], index: number): void {
    for (const piece of pieces) {
      this.#holders.delete(piece);
      this.#holders.set(piece, index);
    }
    for (const piece of this.#holders.keys()) {
      if (this.#holders.size <= this.#maxPieces) break;
      this.#holders.delete(piece);
    }
  }

  #holderOf(pieces: readonly string[], candidates: readonly Candidate[]): Candidate | undefined {
    for (const piece of pieces.toReversed()) {
      const index = this.#holders.get(piece);
      const holder = candidates.find((candidate) => candidate.index === index);
      if (holder !== undefined) return holder;
    }
    return undefined;
  }
}
