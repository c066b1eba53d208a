/**
 * How the tokens of one request are chosen. A plain frozen value: parsed once (`createSamplingParams`), then passed
 * through scheduler, sampler and text as it is.
 */

import type { Grammar } from "./grammar/grammar.ts";

/** Every field is present; the comment gives range and default. */
export interface SamplingParams {
  /** [0, 2]; 0 (anything below 1e-5) takes the most likely token. Default 1. */
  readonly temperature: number;
  /** 0 is off; else only the k most likely tokens. Default 0. */
  readonly topK: number;
  /** (0, 1]; nucleus. Default 1. */
  readonly topP: number;
  /** [0, 1]; only tokens at least this times as likely as the most likely one. Default 0. */
  readonly minP: number;
  /** (0, 1]; locally typical sampling. Default 1. */
  readonly typicalP: number;
  /** (0, 2]; divides (multiplies) positive (negative) logits of tokens in prompt or output. Default 1. */
  readonly repetitionPenalty: number;
  /** [-2, 2]; subtracted once from logits of tokens in the output. Default 0. */
  readonly presencePenalty: number;
  /** [-2, 2]; subtracted per occurrence in the output. Default 0. */
  readonly frequencyPenalty: number;
  /** Token id to a bias in [-100, 100] added to its logit. Default none. */
  readonly logitBias: ReadonlyMap<number, number>;
  /** Safe integer; null draws a fresh one when the request is accepted. Default null. */
  readonly seed: number | null;
  /** 1 to 128 answers. Default 1. */
  readonly n: number;
  /** n to 128: this many are generated and the n with the highest mean log-probability returned. Default n. */
  readonly bestOf: number;
  /** The answer ends before (or after, see includeStopStrInOutput) the first of these. Up to 16. Default none. */
  readonly stop: readonly string[];
  /** The answer ends after one of these tokens, whose text is not shown. Up to 128. Default none. */
  readonly stopTokenIds: readonly number[];
  /** Show the stop string or stop token's text at the end. Default false. */
  readonly includeStopStrInOutput: boolean;
  /** Go on past the model's end tokens. Default false. */
  readonly ignoreEos: boolean;
  /** No end token, stop token or stop string acts before this many tokens. Default 0. */
  readonly minTokens: number;
  /** >= 1; null goes on until the context is full. */
  readonly maxTokens: number | null;
  /** 0 to 20 most likely alternatives for each output token, beside the token's own; null for none. */
  readonly logprobs: number | null;
  /** The same for each prompt token; null for none. */
  readonly promptLogprobs: number | null;
  /** Leave special tokens out of the text. Default true. */
  readonly skipSpecialTokens: boolean;
  /** The answer is a match of it (unless maxTokens, the context or a stop string cuts it off). Default null: any text. */
  readonly grammar: Grammar | null;
}

/** One alternative at a position. */
export interface TokenLogprob {
  readonly tokenId: number;
  /** Natural logarithm of the probability before temperature, penalties and filters. */
  readonly logprob: number;
  /** 1 for the most likely token. */
  readonly rank: number;
}

/** The token at a position and its most likely alternatives, best first. */
export interface PositionLogprobs extends TokenLogprob {
  readonly top: readonly TokenLogprob[];
}
