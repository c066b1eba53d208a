/**
 * Top-p: Holtzman et al., "The curious case of neural text degeneration" (2019). Keeps the smallest set of most likely
 * tokens whose probability reaches p, the token that crosses included, as vLLM does.
 */
import type { Candidates } from "./candidates.ts";
import { type Scale, totalWeight } from "./softmax.ts";

/** How far below the largest logit the first look for the nucleus goes, in nats; each further one goes twice as deep. */
const FIRST_DEPTH = 4;
/** Beyond this depth weights are 0. */
const LAST_DEPTH = 1024;

/** @param topP (0, 1]; the share is of what the filters before have left */
export function keepNucleus(candidates: Candidates, topP: number): void {
  const { keys, logWeights, count } = candidates;
  for (let i = 0; i < count; i++) keys[i] = -logWeights[i]!;
  candidates.keepShare(topP);
}

/**
 * The nucleus of a whole row. Most of a vocabulary is far too unlikely to belong to it, so only the tokens near the top are
 * gathered, and more of them until their mass is enough.
 *
 * @param row logits [vocabSize]
 */
export function gatherNucleus(candidates: Candidates, row: Float32Array, scale: Scale, topP: number): void {
  const total = totalWeight(row, scale);
  for (let depth = FIRST_DEPTH; depth <= LAST_DEPTH; depth *= 2) {
    const logit = scale.largest - depth / scale.inverseTemperature;
    candidates.gather(row, { logit, lastId: row.length }, scale);
    if (candidates.total >= topP * total) break;
  }
  candidates.total = total;
  keepNucleus(candidates, topP);
}
