/** Token counts as OpenAI's `usage` object. */
import type { Usage } from "../engine.ts";

/** `usage` on the wire. */
export interface WireUsage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
  readonly prompt_tokens_details?: { readonly cached_tokens: number };
}

/** Counts of several prompts of one request, added up. */
export function sumUsage(usages: readonly Usage[]): Usage {
  const sum = (key: keyof Usage): number => usages.reduce((total, usage) => total + usage[key], 0);
  return {
    numPromptTokens: sum("numPromptTokens"),
    numOutputTokens: sum("numOutputTokens"),
    numCachedTokens: sum("numCachedTokens"),
  };
}

/** The final counts. */
export function toWireUsage(usage: Usage): WireUsage {
  return {
    ...countsSoFar(usage.numPromptTokens, usage.numOutputTokens),
    prompt_tokens_details: { cached_tokens: usage.numCachedTokens },
  };
}

/** Counts in the middle of a stream, where cached tokens are not known yet. */
export function countsSoFar(numPromptTokens: number, numOutputTokens: number): WireUsage {
  return {
    prompt_tokens: numPromptTokens,
    completion_tokens: numOutputTokens,
    total_tokens: numPromptTokens + numOutputTokens,
  };
}
