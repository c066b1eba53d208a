/**
 * Where the time of the last steps went, in shared memory: a ring that the scheduler writes one row of after every
 * step, and anyone reads without asking. One writer; the ring outlives it, so that a restarted scheduler goes on in it.
 */

/** How long one step took and what for. */
export interface StepTime {
  /** Which engine's it is, where several run as one; else 0. */
  readonly engine: number;
  /** Counted over all schedulers that wrote here, from 1. */
  readonly step: number;
  /** From the plan's beginning to the end of its commit. */
  readonly totalMs: number;
  /** The model's part, as rank 0 measured it. */
  readonly executeMs: number;
  /** The draw of the tokens. */
  readonly sampleMs: number;
  /** Tokens that were computed, prompts included. */
  readonly numTokens: number;
}

/** What the actors that compute a step measured of it. */
export type StepParts = Pick<StepTime, "executeMs" | "sampleMs">;

/** Steps that are kept. */
export const STEP_TIMES_KEPT = 128;
const ROW = 4; // totalMs, executeMs, sampleMs, numTokens

/** Memory for {@link STEP_TIMES_KEPT} steps: the number of steps, then the ring. */
export function createStepTimes(): SharedArrayBuffer {
  return new SharedArrayBuffer((1 + STEP_TIMES_KEPT * ROW) * Float64Array.BYTES_PER_ELEMENT);
}

/** Appends to the ring. */
export class StepTimesWriter {
  readonly #cells: Float64Array;

  constructor(memory: SharedArrayBuffer) {
    this.#cells = new Float64Array(memory);
  }

  write({ totalMs, executeMs, sampleMs, numTokens }: Omit<StepTime, "engine" | "step">): void {
    const cells = this.#cells;
    const numSteps = cells[0]!;
    const at = 1 + (numSteps % STEP_TIMES_KEPT) * ROW;
    cells[at] = totalMs;
    cells[at + 1] = executeMs;
    cells[at + 2] = sampleMs;
    cells[at + 3] = numTokens;
    cells[0] = numSteps + 1;
  }
}

/** The steps that are kept, oldest first. */
export function readStepTimes(memory: SharedArrayBuffer): StepTime[] {
  const cells = new Float64Array(memory).slice();
  const numSteps = cells[0]!;
  const first = Math.max(0, numSteps - STEP_TIMES_KEPT);
  return Array.from({ length: numSteps - first }, (_, index) => {
    const at = 1 + ((first + index) % STEP_TIMES_KEPT) * ROW;
    return {
      engine: 0,
      step: first + index + 1,
      totalMs: cells[at]!,
      executeMs: cells[at + 1]!,
      sampleMs: cells[at + 2]!,
      numTokens: cells[at + 3]!,
    };
  });
}
