/**
 * The scheduler's figures in shared memory: the scheduler writes after every step, everyone reads without asking.
 * One writer; a reader may see figures of two neighbouring steps, which a gauge can bear. The board outlives the
 * scheduler, so that totals go on where a crashed one left them.
 */

/** Figures of a moment. */
const GAUGES = ["numRunning", "numWaiting", "numPages", "numFreePages"] as const;

/** Figures that only grow. */
const TOTALS = [
  "promptTokens",
  "generationTokens",
  "prefixCacheQueries",
  "prefixCacheHits",
  "preemptions",
  "draftTokens",
  "acceptedTokens",
  "steps",
] as const;

/** The figures, in the order they lie in memory. */
export const STATUS_FIELDS = [...GAUGES, ...TOTALS] as const;

/** One number for each of {@link STATUS_FIELDS}. */
export type StatusFigures = Readonly<Record<(typeof STATUS_FIELDS)[number], number>>;

/** Memory for one board. */
export function createStatusBoard(): SharedArrayBuffer {
  return new SharedArrayBuffer(STATUS_FIELDS.length * Float64Array.BYTES_PER_ELEMENT);
}

/** Writes the figures of one scheduler, whose totals began at zero, onto a board that others wrote on before it. */
export class StatusWriter {
  readonly #cells: Float64Array;
  readonly #before: Float64Array;

  constructor(board: SharedArrayBuffer) {
    this.#cells = new Float64Array(board);
    this.#before = this.#cells.map((value, index) => (index < GAUGES.length ? 0 : value));
  }

  write(figures: StatusFigures): void {
    STATUS_FIELDS.forEach((field, index) => {
      this.#cells[index] = this.#before[index]! + figures[field];
    });
  }
}

/** Reads all figures; zeros before the first write. */
export function readStatus(board: SharedArrayBuffer): StatusFigures {
  const cells = new Float64Array(board);
  return Object.fromEntries(STATUS_FIELDS.map((field, index) => [field, cells[index]!])) as Record<
    (typeof STATUS_FIELDS)[number],
    number
  >;
}
