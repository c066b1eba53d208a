/**
 * The edits of a row that can change its most likely token, in the order of vLLM's v1 sampler (vllm/v1/sample/sampler.py):
 *
 *     1. forbidden tokens: what the grammar does not allow; end and stop tokens before minTokens
 *     2. logit bias
 *     3. penalties: repetition, frequency, presence
 *
 * Temperature and filters follow in choose-token.ts; log-probabilities are taken before any of this.
 */
import { maskByGrammar } from "./grammar-mask.ts";
import { applyPenalties } from "./penalties.ts";
import type { SequenceState } from "./sequence-state.ts";

/**
 * The row as the sequence sees it: the model's own when nothing is edited, else a copy in `scratch`. The model's row is
 * never written: it lies in shared memory, and other sequences may draw from it.
 *
 * @param row logits of the model [vocabSize]
 * @param scratch where an edited copy goes [vocabSize]
 */
export function editLogits(row: Float32Array, state: SequenceState, scratch: Float32Array): Float32Array {
  if (!editsLogits(state)) return row;
  const { params, counts, endTokenIds, grammar } = state;
  const forbidsEnd = isEndForbidden(state);
  if (grammar === null) scratch.set(row);
  else maskByGrammar(row, grammar, { endTokenIds, forbidsEnd }, scratch);
  if (grammar === null && forbidsEnd) for (const id of endTokenIds) scratch[id] = Number.NEGATIVE_INFINITY;
  for (const [id, bias] of params.logitBias) scratch[id]! += bias;
  if (counts !== null) applyPenalties(scratch, params, counts);
  return scratch;
}

/** Whether a sequence's next row is edited at all. */
export function editsLogits(state: SequenceState): boolean {
  const { params, counts, grammar } = state;
  return isEndForbidden(state) || params.logitBias.size > 0 || counts !== null || grammar !== null;
}

function isEndForbidden({ params, endTokenIds, numDrawn }: SequenceState): boolean {
  return numDrawn < params.minTokens && endTokenIds.length > 0;
}
