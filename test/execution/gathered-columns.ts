/** What the threads of the all-gather tests exchange. */
import type { AllGatherMemory } from "../../src/execution/all-gather.ts";

/** What the thread of a rank is given. */
export interface RankTask {
  readonly memory: AllGatherMemory;
  readonly rank: number;
  readonly numRounds: number;
  /** Columns of each rank. */
  readonly width: number;
  readonly timeoutMs: number;
  readonly stop: SharedArrayBuffer;
  /** What comes after the rounds. */
  readonly ending: "none" | "poison" | "one-more-round";
}

/** Rows of every matrix. */
export const NUM_ROWS = 3;

/** A rank's columns in a round, as no other rank or round has them. [NUM_ROWS, width] */
export function columnsOf(rank: number, round: number, width: number): Float32Array {
  return Float32Array.from({ length: NUM_ROWS * width }, (_, i) =>
    Math.sin(1 + i * 7 + round * 31 + rank * 101),
  );
}
