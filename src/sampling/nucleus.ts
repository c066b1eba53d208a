/**
 * Top-p: Holtzman et al., "The curious case of neural text degeneration" (2019). Keeps the smallest set of most likely
 * tokens whose probability reaches p, the token that crosses included, as vLLM does.
 */
import type { Candidates } from "./candidates.ts";

/** @param topP (0, 1]; the share is of what the filters before have left */
export function keepNucleus(candidates: Candidates, topP: number): void {
  const { keys, logWeights, count } = candidates;
  for (let i = 0; i < count; i++) keys[i] = -logWeights[i]!;
  candidates.keepShare(topP);
}

/**
 * No token lighter than this can belong to a nucleus: all such tokens together have less mass than 1 - p of the total,
 * because the heaviest weight is 1 and so the total is at least 1. Half of that bound leaves room for rounding.
 */
export function nucleusMinWeight(topP: number, vocabSize: number): number {
  return (1 - topP) / (2 * vocabSize);
}
