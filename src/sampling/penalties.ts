/**
 * Repetition, frequency and presence penalties, in vLLM's order and with its meaning (vllm/model_executor/layers/utils.py,
 * apply_penalties). Repetition penalty: Keskar et al., "CTRL" (2019), over prompt and output; frequency and presence: the
 * OpenAI API, over the output only.
 */
import type { SamplingParams } from "./sampling-params.ts";
import type { TokenCounts } from "./token-counts.ts";

/** The largest finite float32. */
const LARGEST_LOGIT = 2 ** 128 - 2 ** 104;

/** Whether any penalty acts, that is, whether a sequence's tokens must be counted. */
export function hasPenalties(params: SamplingParams): boolean {
  return params.repetitionPenalty !== 1 || params.frequencyPenalty !== 0 || params.presencePenalty !== 0;
}

/**
 * Changes the logits of tokens already seen, in place.
 *
 * @param row logits [vocabSize]
 */
export function applyPenalties(row: Float32Array, params: SamplingParams, counts: TokenCounts): void {
  const { repetitionPenalty, frequencyPenalty, presencePenalty } = params;
  const { ids, outputCounts } = counts;
  for (let slot = 0; slot < ids.length; slot++) {
    const id = ids[slot]!;
    const count = outputCounts[slot]!;
    const logit = row[id]!;
    if (!Number.isFinite(logit)) continue; // forbidden stays forbidden, broken stays recognisable
    const repeated = logit > 0 ? logit / repetitionPenalty : logit * repetitionPenalty;
    const penalized = repeated - frequencyPenalty * count - (count > 0 ? presencePenalty : 0);
    // A repetition penalty near 0 would leave the range of float32 and make a good row look broken.
    row[id] = Math.max(-LARGEST_LOGIT, Math.min(LARGEST_LOGIT, penalized));
  }
}
