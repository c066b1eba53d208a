/** Steps for benchmarks of the model runner. */
import type { ExecutionBatch } from "../src/scheduling/step-plan.ts";

/** Tokens in a page. */
export const PAGE_SIZE = 16;

/**
 * A step of sequences whose pages are spread over a pool of `numPages`.
 *
 * @param sequences context and new tokens of each
 */
export function batchOf(
  sequences: readonly (readonly [context: number, numTokens: number])[],
  numPages: number,
): ExecutionBatch {
  let page = 0;
  const tables = sequences.map(([context, numTokens]) =>
    Array.from({ length: Math.ceil((context + numTokens) / PAGE_SIZE) }, () => (page++ * 37) % numPages),
  );
  const starts = (counts: readonly number[]) => {
    let sum = 0;
    return Int32Array.from([0, ...counts.map((count) => (sum += count))]);
  };
  const tokenStarts = starts(sequences.map(([, numTokens]) => numTokens));
  return {
    step: 1,
    tokenIds: Int32Array.from({ length: tokenStarts.at(-1)! }, (_, i) => (i * 131) % 1000),
    tokenStarts,
    contextLens: Int32Array.from(sequences, ([context]) => context),
    promptLens: Int32Array.from(sequences, ([context]) => context),
    blockStarts: starts(tables.map((table) => table.length)),
    blockTables: Int32Array.from(tables.flat()),
    logitTokens: tokenStarts.slice(1).map((end) => end - 1),
    pageCopies: new Int32Array(0),
  };
}
