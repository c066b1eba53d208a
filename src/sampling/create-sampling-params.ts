/**
 * The one door to SamplingParams: whatever dialect a request was written in, its fields end here and are checked against
 * the same ranges and rules. Nothing is ever clamped: out of range is an error.
 *
 * The rules follow vLLM (vllm/sampling_params.py, _verify_args) and the OpenAI API.
 */
import { nearestName } from "../core/nearest-name.ts";
import { checkBoolean, checkList, checkNumber, refuse } from "./field-checks.ts";
import { isGreedy } from "./greedy.ts";
import type { SamplingParams } from "./sampling-params.ts";
import {
  BOOLEAN_FIELDS,
  DEFAULT_SAMPLING_PARAMS,
  LOGIT_BIAS_RANGE,
  MAX_STOP_TOKEN_IDS,
  NUMBER_RANGES,
  type NumberRange,
} from "./sampling-ranges.ts";

/** Some of the fields; undefined counts as left out. */
export type SamplingFields = { readonly [Field in keyof SamplingParams]?: SamplingParams[Field] | undefined };

/** How the fields are read. */
export interface CreateSamplingParamsOptions {
  /** Token ids must be below it. Unknown: any id goes. */
  readonly vocabSize?: number;
  /** The most stop strings. Default 16. */
  readonly maxStopStrings?: number;
  /** A field's name in the request's dialect, for errors: `topP` to `top_p`. Default: the name itself. */
  readonly nameField?: (field: string) => string;
  /** Wider ranges of a dialect's own, instead of the general ones. */
  readonly ranges?: Partial<Record<keyof typeof NUMBER_RANGES, NumberRange>>;
  /** What applies when a field is left out, ahead of the general defaults; checked like the fields. */
  readonly defaults?: SamplingFields;
}

/**
 * Checks the fields and fills in the defaults.
 *
 * @returns a frozen value that shares nothing with what was passed in
 * @throws TroupeError `invalid_request`; details.param is the field's name through `nameField`
 * @example
 * ```ts
 * const params = createSamplingParams({ temperature: 0.7, topP: 0.9, seed: 1 }, { vocabSize: 32000 });
 * createSamplingParams({ topP: 2 }, { nameField: () => "top_p" }); // throws: "top_p" is 2; it must be ...
 * ```
 */
export function createSamplingParams(
  fields: SamplingFields,
  options: CreateSamplingParamsOptions = {},
): SamplingParams {
  const nameField = options.nameField ?? ((field) => field);
  const given = { ...present(options.defaults ?? {}), ...present(fields) };
  const merged = { ...DEFAULT_SAMPLING_PARAMS, ...given };
  const bestOf = given.bestOf === undefined ? merged.n : given.bestOf; // null is no number and is refused below
  const params: SamplingParams = { ...merged, bestOf };
  checkNames(params, nameField);
  checkScalars(params, { ...NUMBER_RANGES, ...options.ranges }, nameField);
  checkStops(params, options, nameField);
  checkLogitBias(params, options.vocabSize, nameField);
  checkTogether(params, nameField);
  return Object.freeze({
    ...params,
    stop: Object.freeze([...params.stop]),
    stopTokenIds: Object.freeze([...params.stopTokenIds]),
    logitBias: new Map(params.logitBias),
  });
}

type NameField = (field: string) => string;

function present(fields: SamplingFields): Partial<SamplingParams> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function checkNames(params: SamplingParams, nameField: NameField): void {
  const known = [...Object.keys(DEFAULT_SAMPLING_PARAMS), "bestOf"];
  for (const field of Object.keys(params)) {
    if (known.includes(field)) continue;
    const near = nearestName(field, known);
    const hint = near === undefined ? "" : `: did you mean "${nameField(near)}"?`;
    refuse(nameField(field), params[field as keyof SamplingParams], `left out, it is no known field${hint}`);
  }
}

function checkScalars(
  params: SamplingParams,
  ranges: Readonly<Record<keyof typeof NUMBER_RANGES, NumberRange>>,
  nameField: NameField,
): void {
  for (const [field, range] of Object.entries(ranges)) {
    checkNumber(nameField(field), params[field as keyof typeof NUMBER_RANGES], range);
  }
  for (const field of BOOLEAN_FIELDS) checkBoolean(nameField(field), params[field]);
}

function checkStops(
  params: SamplingParams,
  options: CreateSamplingParamsOptions,
  nameField: NameField,
): void {
  checkList(nameField("stop"), params.stop, options.maxStopStrings ?? 16);
  for (const stop of params.stop) {
    if (typeof stop !== "string" || stop === "") {
      refuse(nameField("stop"), stop, "a list of strings that are not empty");
    }
  }
  checkList(nameField("stopTokenIds"), params.stopTokenIds, MAX_STOP_TOKEN_IDS);
  const range = tokenIdRange(options.vocabSize);
  for (const id of params.stopTokenIds) checkNumber(nameField("stopTokenIds"), id, range);
}

function checkLogitBias(params: SamplingParams, vocabSize: number | undefined, nameField: NameField): void {
  const param = nameField("logitBias");
  if (!(params.logitBias instanceof Map)) refuse(param, params.logitBias, "a map of token ids to numbers");
  const range = tokenIdRange(vocabSize);
  for (const [id, bias] of params.logitBias) {
    checkNumber(param, id, range);
    checkNumber(param, bias, LOGIT_BIAS_RANGE);
  }
}

function checkTogether(params: SamplingParams, nameField: NameField): void {
  const { n, bestOf, temperature, minTokens, maxTokens } = params;
  if (params.grammar !== null && params.ignoreEos)
    refuse(nameField("ignoreEos"), true, "false when the form of the answer is given, or it could never end");
  if (bestOf < n)
    refuse(nameField("bestOf"), bestOf, `at least ${nameField("n")}, which is ${n}`, { min: n });
  if (isGreedy(temperature) && bestOf > n) {
    const why = `${n} when ${nameField("temperature")} is 0, because every answer would be the same`;
    refuse(nameField("bestOf"), bestOf, why, { max: n });
  }
  if (maxTokens !== null && minTokens > maxTokens) {
    const limit = `at most ${nameField("maxTokens")}, which is ${maxTokens}`;
    refuse(nameField("minTokens"), minTokens, limit, { max: maxTokens });
  }
}

function tokenIdRange(vocabSize: number | undefined): { min: number; max: number; isInteger: true } {
  const max = vocabSize === undefined ? Number.MAX_SAFE_INTEGER : vocabSize - 1;
  return { min: 0, max, isInteger: true };
}
