/**
 * Where the time of the last steps went, and what was done in it, in shared memory: totals since the start and a ring that
 * the scheduler writes one row of after every step; anyone reads without asking. One writer; the memory outlives it, so
 * that a restarted scheduler goes on in it.
 */

/** What is kept of a step, in the order it lies in memory. */
const FIGURES = [
  "totalMs",
  "planMs",
  "executeMs",
  "runMs",
  "waitMs",
  "sampleMs",
  "commitMs",
  "numTokens",
  "numRuns",
  "numOutputs",
  "outputBytes",
  "gatheredBytes",
] as const;

/** What computing a step came to on rank 0. */
export interface ExecuteWork {
  /** Inside ONNX Runtime. */
  readonly runMs: number;
  /** Waiting for other ranks. */
  readonly waitMs: number;
  /** Runs of sessions. */
  readonly numRuns: number;
  /** Tensors that runs gave back: each is allocated anew, and copied. */
  readonly numOutputs: number;
  /** Bytes of those tensors. */
  readonly outputBytes: number;
  /** Bytes of keys and values that attention gathered from pages. */
  readonly gatheredBytes: number;
}

/** What the actors that compute a step measured of it. */
export interface StepParts extends ExecuteWork {
  /** The model's part, as rank 0 measured it; `runMs` and `waitMs` lie in it. */
  readonly executeMs: number;
  /** The draw of the tokens. */
  readonly sampleMs: number;
}

/** Of one step, or of all. What the parts leave of the total is messages on their way. */
export interface StepFigures extends StepParts {
  /** From the plan's beginning to the end of its commit. */
  readonly totalMs: number;
  /** Deciding what the step computes, and sending it. */
  readonly planMs: number;
  /** Taking the tokens in, and sending them on. */
  readonly commitMs: number;
  /** Tokens that were computed, prompts included. */
  readonly numTokens: number;
}

/** How long one step took and what for. */
export interface StepTime extends StepFigures {
  /** Which engine's it is, where several run as one; else 0. */
  readonly engine: number;
  /** Counted over all schedulers that wrote here, from 1. */
  readonly step: number;
}

/** Steps that are kept. */
export const STEP_TIMES_KEPT = 128;
const ROW = FIGURES.length;
/** Behind the number of steps and the totals. */
const RING = 1 + ROW;

/** Memory for {@link STEP_TIMES_KEPT} steps: the number of steps, the totals, then the ring. */
export function createStepTimes(): SharedArrayBuffer {
  return new SharedArrayBuffer((RING + STEP_TIMES_KEPT * ROW) * Float64Array.BYTES_PER_ELEMENT);
}

/** Appends to the ring and adds to the totals. */
export class StepTimesWriter {
  readonly #cells: Float64Array;

  constructor(memory: SharedArrayBuffer) {
    this.#cells = new Float64Array(memory);
  }

  write(figures: StepFigures): void {
    const cells = this.#cells;
    const numSteps = cells[0]!;
    const at = RING + (numSteps % STEP_TIMES_KEPT) * ROW;
    FIGURES.forEach((name, column) => {
      cells[at + column] = figures[name];
      cells[1 + column]! += figures[name];
    });
    cells[0] = numSteps + 1;
  }
}

/** The steps that are kept, oldest first. */
export function readStepTimes(memory: SharedArrayBuffer): StepTime[] {
  const cells = new Float64Array(memory).slice();
  const numSteps = cells[0]!;
  const first = Math.max(0, numSteps - STEP_TIMES_KEPT);
  return Array.from({ length: numSteps - first }, (_, index) => ({
    engine: 0,
    step: first + index + 1,
    ...rowAt(cells, RING + ((first + index) % STEP_TIMES_KEPT) * ROW),
  }));
}

/** The sums over all steps since the start. */
export function readStepTotals(memory: SharedArrayBuffer): StepFigures {
  return rowAt(new Float64Array(memory), 1);
}

/** Of several engines. */
export function addStepTotals(totals: readonly StepFigures[]): StepFigures {
  const sum = (name: (typeof FIGURES)[number]): number => totals.reduce((all, each) => all + each[name], 0);
  return figuresFrom((name) => sum(name));
}

/** Names the parts of a step; together they make its total. */
export type StepPart = "plan" | "run" | "wait" | "model" | "sample" | "commit" | "messages";

/**
 * Where the time went: planning, inside ONNX Runtime, waiting for other ranks, around its runs, drawing, committing, and
 * messages on their way.
 */
export function stepParts(figures: StepFigures): [part: StepPart, ms: number][] {
  const { totalMs, planMs, executeMs, runMs, waitMs, sampleMs, commitMs } = figures;
  return [
    ["plan", planMs],
    ["run", runMs],
    ["wait", waitMs],
    ["model", executeMs - runMs - waitMs],
    ["sample", sampleMs],
    ["commit", commitMs],
    ["messages", Math.max(0, totalMs - planMs - executeMs - sampleMs - commitMs)],
  ];
}

function rowAt(cells: Float64Array, at: number): StepFigures {
  return figuresFrom((_name, column) => cells[at + column]!);
}

function figuresFrom(value: (name: (typeof FIGURES)[number], column: number) => number): StepFigures {
  return Object.fromEntries(
    FIGURES.map((name, column) => [name, value(name, column)]),
  ) as unknown as StepFigures;
}
