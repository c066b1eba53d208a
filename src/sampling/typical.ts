/**
 * Locally typical sampling: Meister et al., "Locally typical sampling" (2022); TypicalLogitsWarper of Hugging Face
 * transformers, but of tokens tied with the last one only the lowest ids stay, as in every filter here.
 */
import type { Candidates } from "./candidates.ts";

/**
 * Keeps the smallest set of tokens whose surprise lies nearest to the expected surprise (the entropy) and whose
 * probability reaches p, the token that crosses included.
 *
 * @param typicalP (0, 1]; the share is of what the filters before have left
 */
export function keepTypical(candidates: Candidates, typicalP: number): void {
  const { keys, weights, logWeights, count, total } = candidates;
  // For weight w and total S: surprise = ln S - ln w, entropy = ln S - mean(ln w). Their difference needs no ln S.
  let sum = 0;
  for (let i = 0; i < count; i++) sum += weights[i]! * logWeights[i]!;
  const meanLogWeight = sum / total;
  for (let i = 0; i < count; i++) keys[i] = Math.abs(meanLogWeight - logWeights[i]!);
  candidates.keepShare(typicalP);
}
