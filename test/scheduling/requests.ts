/** Requests and sampling params for scheduler tests, with defaults. */
import type { SamplingParams } from "../../src/sampling/sampling-params.ts";
import type { EngineRequest } from "../../src/scheduling/step-plan.ts";

const DEFAULTS: SamplingParams = {
  temperature: 1,
  topK: 0,
  topP: 1,
  minP: 0,
  typicalP: 1,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  logitBias: new Map(),
  seed: null,
  n: 1,
  bestOf: 1,
  stop: [],
  stopTokenIds: [],
  includeStopStrInOutput: false,
  ignoreEos: false,
  minTokens: 0,
  maxTokens: null,
  logprobs: null,
  promptLogprobs: null,
  skipSpecialTokens: true,
  grammar: null,
};

/** A request; `seed` should differ between the requests of one test. */
export function request(
  requestId: string,
  promptIds: readonly number[],
  params: Partial<SamplingParams> = {},
  rest: Partial<EngineRequest> = {},
): EngineRequest {
  const full = { ...DEFAULTS, ...params };
  return { requestId, promptIds: Int32Array.from(promptIds), params: full, seed: 1, ...rest };
}

/** `count` ids from `first` on. */
export function ids(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => first + index);
}
