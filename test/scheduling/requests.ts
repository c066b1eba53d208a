/** Requests and sampling params for scheduler tests, with defaults. */
import type { SamplingParams } from "../../src/sampling/sampling-params.ts";
import { DEFAULT_SAMPLING_PARAMS } from "../../src/sampling/sampling-ranges.ts";
import type { EngineRequest } from "../../src/scheduling/step-plan.ts";

const DEFAULTS: SamplingParams = { ...DEFAULT_SAMPLING_PARAMS, bestOf: 1 };

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
