/**
 * Sums across the ranks of a model, in shared memory. Each rank writes its partial sum into its own slot; when all have
 * come, each adds up all slots in the order of ranks, so that every rank has the same bits. The addition itself is a
 * node of the segment that takes the sum: it reads the slots where they lie.
 *
 * There are two sets of slots in turns: a rank writes its next partial sum while others may still read this one.
 */
import { invariant, TroupeError } from "../errors/troupe-error.ts";
import { createBarrierMemory, type PoisonReason, RankBarrier } from "./rank-barrier.ts";

/** The slots of all ranks. Plain data that can be sent to a worker. */
export interface AllReduceMemory {
  readonly numRanks: number;
  /** Floats in a slot: the largest partial sum. */
  readonly slotLength: number;
  readonly barrier: SharedArrayBuffer;
  /** float32 [NUM_SETS, numRanks, slotLength] */
  readonly slots: SharedArrayBuffer;
}

/** How one rank takes part. */
export interface AllReduceOptions {
  readonly memory: AllReduceMemory;
  readonly rank: number;
  /** A wait longer than this means that a rank hangs. */
  readonly timeoutMs: number;
  /** Asked while waiting; true ends the wait. Default: never. */
  readonly shouldStop?: () => boolean;
}

const NUM_SETS = 2;

/**
 * Allocates zeroed slots for `numRanks` ranks.
 *
 * @throws TroupeError `invalid_config` when the machine cannot give that much memory
 */
export function createAllReduceMemory(numRanks: number, slotLength: number): AllReduceMemory {
  const bytes = NUM_SETS * numRanks * slotLength * Float32Array.BYTES_PER_ELEMENT;
  try {
    return { numRanks, slotLength, barrier: createBarrierMemory(), slots: new SharedArrayBuffer(bytes) };
  } catch (cause) {
    throw new TroupeError(
      "invalid_config",
      `The sums of ${numRanks} ranks take ${bytes} bytes, more than can be allocated. Lower engine.maxNumBatchedTokens.`,
      { cause, details: { bytes } },
    );
  }
}

/**
 * One rank's side.
 *
 * @example
 * ```ts
 * reduce.join();
 * reduce.slot(partial.length).set(partial);
 * const [mine, others] = reduce.exchange(partial.length); // both ranks': sum = mine + others
 * ```
 */
export class AllReduce {
  readonly #memory: AllReduceMemory;
  readonly #rank: number;
  readonly #barrier: RankBarrier;
  #set = 0;
  #isJoined = false;
  #waitMs = 0;

  constructor({ memory, rank, timeoutMs, shouldStop = () => false }: AllReduceOptions) {
    const { numRanks, barrier } = memory;
    this.#memory = memory;
    this.#rank = rank;
    this.#barrier = new RankBarrier({ memory: barrier, rank, numRanks, timeoutMs, shouldStop });
  }

  /** Time spent waiting for other ranks. */
  get waitMs(): number {
    return this.#waitMs;
  }

  /** From now on this rank waits for the others. Before, while ranks load and warm up one by one, it does not. */
  join(): void {
    this.#isJoined = true;
  }

  /** Where the next partial sum of this rank goes. */
  slot(length: number): Float32Array {
    return this.#slotOf(this.#rank, length);
  }

  /**
   * Waits until the partial sums of all ranks are there.
   *
   * @returns them in the order of ranks, valid until the exchange after the next one
   * @throws TroupeError as `RankBarrier.meet`
   */
  exchange(length: number): Float32Array[] {
    const slots = Array.from({ length: this.#memory.numRanks }, (_, rank) => this.#slotOf(rank, length));
    this.#set = (this.#set + 1) % NUM_SETS;
    this.meet();
    return slots;
  }

  /** Waits until every rank has come this far. @throws TroupeError as `RankBarrier.meet` */
  meet(): void {
    if (!this.#isJoined) return;
    const start = performance.now();
    this.#barrier.meet();
    this.#waitMs += performance.now() - start;
  }

  /** Sends away everyone who waits for this rank, now or later. */
  poison(reason: PoisonReason): void {
    this.#barrier.poison(reason);
  }

  #slotOf(rank: number, length: number): Float32Array {
    const { slotLength, numRanks, slots } = this.#memory;
    invariant(length <= slotLength, `a partial sum of ${length} floats does not fit a slot of ${slotLength}`);
    const index = this.#set * numRanks + rank;
    return new Float32Array(slots, index * slotLength * Float32Array.BYTES_PER_ELEMENT, length);
  }
}
