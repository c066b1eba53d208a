/** The most likely token of a row, and the check that a row can be drawn from at all: one pass for both. */

/** Logits that are compared before anything is done with one of them: most are below the best so far. */
const STRIDE = 8;

/**
 * @param row logits [vocabSize]
 * @returns the token with the largest logit, of equals the lowest id; -1 when nothing can be drawn from the row: it
 *   holds NaN or +Infinity, or nothing but -Infinity
 */
export function argMax(row: Float32Array): number {
  let best = Number.NEGATIVE_INFINITY;
  let index = -1;
  const numStrided = row.length - (row.length % STRIDE);
  for (let i = 0; i < row.length; ) {
    if (i < numStrided && noneAbove(row, i, best)) {
      i += STRIDE;
      continue;
    }
    const end = Math.min(i + STRIDE, row.length);
    for (; i < end; i++) {
      const logit = row[i]!;
      if (logit <= best) continue;
      if (Number.isNaN(logit)) return -1;
      best = logit;
      index = i;
    }
  }
  return best === Number.POSITIVE_INFINITY ? -1 : index;
}

/** Whether the {@link STRIDE} logits from `i` on are all at most `best`; not when one is NaN. */
function noneAbove(row: Float32Array, i: number, best: number): boolean {
  return (
    row[i]! <= best &&
    row[i + 1]! <= best &&
    row[i + 2]! <= best &&
    row[i + 3]! <= best &&
    row[i + 4]! <= best &&
    row[i + 5]! <= best &&
    row[i + 6]! <= best &&
    row[i + 7]! <= best
  );
}

/** Says in words why {@link argMax} gave -1 for a row, or for a copy of it with some tokens forbidden. */
export function describeUnusableRow(row: Float32Array): string {
  const nan = row.findIndex((logit) => Number.isNaN(logit));
  if (nan >= 0) return `the logit of token ${nan} is NaN`;
  const infinite = row.indexOf(Number.POSITIVE_INFINITY);
  if (infinite >= 0) return `the logit of token ${infinite} is Infinity`;
  return "no token is left: every logit is -Infinity or its token may not be drawn yet";
}
