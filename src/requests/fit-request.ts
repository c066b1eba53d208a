/** What a request becomes once its prompt is known in tokens: cut, shortened, or refused for its length. */
import type { LongPrompts } from "../config/config.ts";
import type { PromptCut } from "../core/cut-ids.ts";
import { TroupeError } from "../errors/troupe-error.ts";
import type { SamplingParams } from "../sampling/sampling-params.ts";

/** What an engine says about the length of prompts. */
export interface PromptLimits {
  /** Null sets no limit below maxModelLen. */
  readonly maxPromptTokens: number | null;
  readonly longPrompts: LongPrompts;
  /** Prompt and answer together. */
  readonly maxModelLen: number;
}

/** The request's own cut, then the engine's. */
export function promptCuts(
  { maxPromptTokens, longPrompts }: PromptLimits,
  own: PromptCut | undefined,
): readonly PromptCut[] {
  const cuts = own === undefined ? [] : [own];
  if (longPrompts === "refuse" || maxPromptTokens === null) return cuts;
  return [...cuts, { numTokens: maxPromptTokens, keep: longPrompts === "keepStart" ? "start" : "end" }];
}

/** @throws TroupeError `prompt_too_long` over maxPromptTokens, unless such prompts are cut */
export function checkPromptLength(
  { maxPromptTokens: limit, longPrompts }: PromptLimits,
  numTokens: number,
): void {
  if (limit === null || longPrompts !== "refuse" || numTokens <= limit) return;
  const text = `The prompt has ${numTokens} tokens; the limit of this server is ${limit}. Shorten the prompt.`;
  throw new TroupeError("prompt_too_long", text, { details: { numTokens, limit } });
}

/** An answer that is not to be refused for its length: it gets what the prompt leaves of the context, at least one token. */
export function shortenAnswer(
  params: SamplingParams,
  { maxModelLen }: PromptLimits,
  numPromptTokens: number,
): SamplingParams {
  const room = Math.max(1, maxModelLen - numPromptTokens);
  if (params.maxTokens === null || params.maxTokens <= room) return params;
  return { ...params, maxTokens: room, minTokens: Math.min(params.minTokens, room) };
}
