/**
 * The scheduler's figures in shared memory: the scheduler writes after every step, everyone reads without asking.
 * One writer; a reader may see figures of two neighbouring steps, which a gauge can bear.
 */

/** The figures, in the order they lie in memory. */
export const STATUS_FIELDS = [
  "numRunning",
  "numWaiting",
  "numPages",
  "numFreePages",
  "promptTokens",
  "generationTokens",
  "prefixCacheQueries",
  "prefixCacheHits",
  "preemptions",
  "steps",
] as const;

/** One number for each of {@link STATUS_FIELDS}. */
export type StatusFigures = Readonly<Record<(typeof STATUS_FIELDS)[number], number>>;

/** Memory for one board. */
export function createStatusBoard(): SharedArrayBuffer {
  return new SharedArrayBuffer(STATUS_FIELDS.length * Float64Array.BYTES_PER_ELEMENT);
}

/** Replaces all figures. */
export function writeStatus(board: SharedArrayBuffer, figures: StatusFigures): void {
  const cells = new Float64Array(board);
  STATUS_FIELDS.forEach((field, index) => {
    cells[index] = figures[field];
  });
}

/** Reads all figures; zeros before the first write. */
export function readStatus(board: SharedArrayBuffer): StatusFigures {
  const cells = new Float64Array(board);
  return Object.fromEntries(STATUS_FIELDS.map((field, index) => [field, cells[index]!])) as Record<
    (typeof STATUS_FIELDS)[number],
    number
  >;
}
