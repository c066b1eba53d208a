/**
 * Choosing with the help of graphs that run over many rows of logits at once. They do what the host's own passes over a row
 * do and no more: what is drawn is the same with and without them.
 */
import { editsLogits } from "./edit-logits.ts";
import { isGreedy } from "./greedy.ts";
import type { SequenceState } from "./sequence-state.ts";

/** Somebody who runs such graphs. */
export interface PostSampling {
  /** Whether {@link largest} may be asked. */
  readonly findsLargest: boolean;
  /** Candidates that {@link best} gives for each row; 0 when it must not be asked. */
  readonly numCandidates: number;
  /**
   * The token with the largest logit of each row, of equals the lowest id. [numRows]
   *
   * @param rows [numRows, vocabSize]
   */
  largest(rows: Float32Array, numRows: number): Int32Array;
  /** The tokens with the largest logits of each row, best first, of equals the lower id. [numRows, numCandidates] */
  best(rows: Float32Array, numRows: number): Int32Array;
}

/** The best tokens of a row, best first: one for a greedy draw, at least topK for another. */
export type RowCandidates = Int32Array;

/** A draw, as far as candidates depend on it. */
export interface CandidateDraw {
  readonly state: SequenceState;
  /** [vocabSize] */
  readonly row: Float32Array;
}

/**
 * The candidates of those draws that a graph can help with: of rows as the model gave them, greedy or with a top-k that the
 * graph covers.
 *
 * @returns null for the others [draws]
 */
export function findCandidates(
  draws: readonly CandidateDraw[],
  post: PostSampling,
): (RowCandidates | null)[] {
  const found: (RowCandidates | null)[] = draws.map(() => null);
  const isPlain = ({ state }: CandidateDraw) => !editsLogits(state);
  const greedy = ({ state: { params } }: CandidateDraw) => post.findsLargest && isGreedy(params.temperature);
  const covered = ({ state: { params } }: CandidateDraw) =>
    !isGreedy(params.temperature) && params.topK > 0 && params.topK <= post.numCandidates;
  fill(
    found,
    draws,
    (draw) => isPlain(draw) && greedy(draw),
    1,
    (rows, numRows) => post.largest(rows, numRows),
  );
  fill(
    found,
    draws,
    (draw) => isPlain(draw) && covered(draw),
    post.numCandidates,
    (rows, numRows) => post.best(rows, numRows),
  );
  return found;
}

function fill(
  found: (RowCandidates | null)[],
  draws: readonly CandidateDraw[],
  isServed: (draw: CandidateDraw) => boolean,
  width: number,
  run: (rows: Float32Array, numRows: number) => Int32Array,
): void {
  const served = [...draws.entries()].filter(([, draw]) => isServed(draw));
  if (served.length === 0) return;
  const vocabSize = served[0]![1].row.length;
  const rows = new Float32Array(served.length * vocabSize);
  for (const [place, [, { row }]] of served.entries()) rows.set(row, place * vocabSize);
  const ids = run(rows, served.length);
  for (const [place, [index]] of served.entries())
    found[index] = ids.subarray(place * width, (place + 1) * width);
}

/**
 * Holds the most likely token of a row, as a graph found it, against the row.
 *
 * @returns -1 when nothing can be drawn from the row, as `argMax`
 */
export function checkedLargest(row: Float32Array, tokenId: number): number {
  for (let i = 0; i < row.length; i++) if (Number.isNaN(row[i])) return -1;
  return Number.isFinite(row[tokenId]) ? tokenId : -1;
}
