/** Whether a sequence's last token ends it. */
import type { Sequence } from "./sequence.ts";
import type { FinishReason } from "./step-plan.ts";

/** Why it ended, and the stop token that did it (null for an end-of-sequence token or another reason). */
export interface Finish {
  readonly reason: FinishReason;
  readonly stopTokenId: number | null;
}

/** The model's end tokens and the most tokens a sequence may have. */
export interface FinishLimits {
  readonly eosTokenIds: readonly number[];
  /** Prompt and answer together. */
  readonly maxTokens: number;
}

/**
 * The verdict on a sequence after a token was drawn; null when it goes on. minTokens needs no look here: the sampler
 * does not draw an ending token before.
 */
export function finishOf(sequence: Sequence, limits: FinishLimits): Finish | null {
  if (sequence.numOutputTokens === 0) return null;
  const { params } = sequence.group.request;
  const last = sequence.tokenIds[sequence.numTokens - 1]!;
  if (!params.ignoreEos && limits.eosTokenIds.includes(last)) return { reason: "stop", stopTokenId: null };
  if (params.stopTokenIds.includes(last)) return { reason: "stop", stopTokenId: last };
  return numDrawsLeft(sequence, limits) <= 0 ? { reason: "length", stopTokenId: null } : null;
}

/** Tokens that can still be drawn before the answer is as long as it may be. */
export function numDrawsLeft({ numTokens, numOutputTokens, group }: Sequence, limits: FinishLimits): number {
  const { maxTokens } = group.request.params;
  return Math.min(limits.maxTokens - numTokens, (maxTokens ?? Number.POSITIVE_INFINITY) - numOutputTokens);
}

/** Tokens that end the answer; the sampler does not draw them before minTokens. */
export function endTokenIds(sequence: Sequence, limits: FinishLimits): Int32Array {
  const { params } = sequence.group.request;
  const ends = new Set([...(params.ignoreEos ? [] : limits.eosTokenIds), ...params.stopTokenIds]);
  return Int32Array.from(ends);
}
