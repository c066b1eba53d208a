/**
 * Defaults and ranges of the sampling parameters, as data. Where OpenAI and vLLM differ the narrower range holds
 * (temperature at most 2, as both now have it; repetition penalty at most 2).
 */
import type { SamplingParams } from "./sampling-params.ts";

/** What a field is when nobody sets it; `bestOf` follows `n`. */
export const DEFAULT_SAMPLING_PARAMS: Omit<SamplingParams, "bestOf"> = Object.freeze({
  temperature: 1,
  topK: 0,
  topP: 1,
  minP: 0,
  typicalP: 1,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  logitBias: new Map<number, number>(),
  seed: null,
  n: 1,
  stop: Object.freeze([]),
  stopTokenIds: Object.freeze([]),
  includeStopStrInOutput: false,
  ignoreEos: false,
  minTokens: 0,
  maxTokens: null,
  logprobs: null,
  promptLogprobs: null,
  skipSpecialTokens: true,
  grammar: null,
});

/** The values a numeric field may have. */
export interface NumberRange {
  readonly min: number;
  readonly max: number;
  /** `min` itself is not allowed. */
  readonly isMinExcluded?: boolean;
  readonly isInteger?: boolean;
  readonly isNullable?: boolean;
}

/** The most alternatives a position may list. */
export const MAX_LOGPROBS = 20;

/** The most stop token ids: few enough that, forbidden before minTokens, they never leave nothing to draw. */
export const MAX_STOP_TOKEN_IDS = 128;

/** Range of a logit bias. */
export const LOGIT_BIAS_RANGE: NumberRange = { min: -100, max: 100 };

const COUNT = { min: 0, max: Number.MAX_SAFE_INTEGER, isInteger: true } as const;
const NUM_LOGPROBS = { min: 0, max: MAX_LOGPROBS, isInteger: true, isNullable: true } as const;

/** Every numeric field. */
export const NUMBER_RANGES = {
  temperature: { min: 0, max: 2 },
  topK: COUNT,
  topP: { min: 0, max: 1, isMinExcluded: true },
  minP: { min: 0, max: 1 },
  typicalP: { min: 0, max: 1, isMinExcluded: true },
  repetitionPenalty: { min: 0, max: 2, isMinExcluded: true },
  presencePenalty: { min: -2, max: 2 },
  frequencyPenalty: { min: -2, max: 2 },
  seed: { min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER, isInteger: true, isNullable: true },
  n: { min: 1, max: 128, isInteger: true },
  bestOf: { min: 1, max: 128, isInteger: true },
  minTokens: COUNT,
  maxTokens: { min: 1, max: Number.MAX_SAFE_INTEGER, isInteger: true, isNullable: true },
  logprobs: NUM_LOGPROBS,
  promptLogprobs: NUM_LOGPROBS,
} as const satisfies Partial<Record<keyof SamplingParams, NumberRange>>;

/** The fields that are true or false. */
export const BOOLEAN_FIELDS = ["includeStopStrInOutput", "ignoreEos", "skipSpecialTokens"] as const;
