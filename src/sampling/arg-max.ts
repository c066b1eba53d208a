/** The most likely token of a row, and the check that a row can be drawn from at all: one pass for both. */

/**
 * @param row logits [vocabSize]
 * @returns the token with the largest logit, of equals the lowest id; -1 when nothing can be drawn from the row: it
 *   holds NaN or +Infinity, or nothing but -Infinity
 */
export function argMax(row: Float32Array): number {
  let best = Number.NEGATIVE_INFINITY;
  let index = -1;
  for (let i = 0; i < row.length; i++) {
    const logit = row[i]!;
    // Written as a negation so that NaN comes in here too, without a comparison of its own.
    if (!(logit <= best)) {
      if (Number.isNaN(logit)) return -1;
      best = logit;
      index = i;
    }
  }
  return best === Number.POSITIVE_INFINITY ? -1 : index;
}

/** Says in words why {@link argMax} gave -1 for a row, or for a copy of it with some tokens forbidden. */
export function describeUnusableRow(row: Float32Array): string {
  const nan = row.findIndex((logit) => Number.isNaN(logit));
  if (nan >= 0) return `the logit of token ${nan} is NaN`;
  const infinite = row.indexOf(Number.POSITIVE_INFINITY);
  if (infinite >= 0) return `the logit of token ${infinite} is Infinity`;
  return "no token is left: every logit is -Infinity or its token may not be drawn yet";
}
