/**
 * Puts the columns that the ranks of a model have computed side by side, in shared memory. Each rank writes its own into
 * every row; when all have come, each reads whole rows where they lie. Nothing is added up: what a rank reads has the bits
 * that one rank alone would have computed.
 *
 * There are two sets of rows in turns: a rank writes its next columns while others may still read these.
 */
import { invariant, TroupeError } from "../errors/troupe-error.ts";
import { createBarrierMemory, type PoisonReason, RankBarrier } from "./rank-barrier.ts";

/** Where rows are put together. Plain data that can be sent to a worker. */
export interface AllGatherMemory {
  readonly numRanks: number;
  /** Floats that can be gathered at a time. */
  readonly maxFloats: number;
  readonly barrier: SharedArrayBuffer;
  /** float32 [NUM_SETS, maxFloats] */
  readonly rows: SharedArrayBuffer;
}

/** How one rank takes part. */
export interface AllGatherOptions {
  readonly memory: AllGatherMemory;
  readonly rank: number;
  /** A wait longer than this means that a rank hangs. */
  readonly timeoutMs: number;
  /** Asked while waiting; true ends the wait. Default: never. */
  readonly shouldStop?: () => boolean;
}

/** Some columns of a matrix. */
export interface Columns {
  /** [rows, width] */
  readonly data: Float32Array;
  /** Of this rank; every rank has as many. */
  readonly width: number;
}

const NUM_SETS = 2;

/**
 * Allocates zeroed rows.
 *
 * @throws TroupeError `invalid_config` when the machine cannot give that much memory
 */
export function createAllGatherMemory(numRanks: number, maxFloats: number): AllGatherMemory {
  const bytes = NUM_SETS * maxFloats * Float32Array.BYTES_PER_ELEMENT;
  try {
    return { numRanks, maxFloats, barrier: createBarrierMemory(), rows: new SharedArrayBuffer(bytes) };
  } catch (cause) {
    throw new TroupeError(
      "invalid_config",
      `What ${numRanks} ranks exchange takes ${bytes} bytes, more than can be allocated. Lower engine.maxNumBatchedTokens.`,
      { cause, details: { bytes } },
    );
  }
}

/**
 * One rank's side.
 *
 * @example
 * ```ts
 * allGather.join();
 * const [whole] = allGather.gather([{ data: mine, width: 1024 }]); // [rows, numRanks * 1024]
 * ```
 */
export class AllGather {
  readonly #memory: AllGatherMemory;
  readonly #rank: number;
  readonly #barrier: RankBarrier;
  #set = 0;
  #isJoined = false;
  #waitMs = 0;

  constructor({ memory, rank, timeoutMs, shouldStop = () => false }: AllGatherOptions) {
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

  /**
   * Gives this rank's columns of some matrices, and waits until those of all ranks are there.
   *
   * @returns the whole matrices, valid until the gathering after the next one
   * @throws TroupeError as `RankBarrier.meet`
   */
  gather(matrices: readonly Columns[]): Float32Array[] {
    let first = this.#set * this.#memory.maxFloats;
    const end = first + this.#memory.maxFloats;
    this.#set = (this.#set + 1) % NUM_SETS;
    const wholes = matrices.map((columns) => {
      const length = columns.data.length * this.#memory.numRanks;
      invariant(first + length <= end, `ranks exchange ${this.#memory.maxFloats} floats at a time, no more`);
      const whole = new Float32Array(this.#memory.rows, first * Float32Array.BYTES_PER_ELEMENT, length);
      first += length;
      this.#write(columns, whole);
      return whole;
    });
    this.meet();
    return wholes;
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

  #write({ data, width }: Columns, whole: Float32Array): void {
    let to = this.#rank * width;
    for (let from = 0; from < data.length; from += width) {
      whole.set(data.subarray(from, from + width), to);
      to += width * this.#memory.numRanks;
    }
  }
}
