/**
 * The sampling fields that every wire format shares: OpenAI's own and vLLM's extensions, in the wire's spelling, and
 * their mapping onto SamplingParams. Types are checked here, ranges by the sampler's own `createSamplingParams`.
 */
import { z } from "../../core/schema.ts";
import { TroupeError } from "../../errors/troupe-error.ts";
import type { SamplingParams } from "../../sampling/sampling-params.ts";

/** A request's own choices; what it leaves out takes the model's default. */
export type SamplingFields = Partial<SamplingParams>;

const number = z.number().nullish();
const integer = z.int().nullish();
const flag = z.boolean().nullish();

/** Shape of the shared fields, to be spread into a format's own object. Null means absent, as with OpenAI. */
export const samplingShape = {
  temperature: number,
  top_p: number,
  top_k: integer,
  min_p: number,
  typical_p: number,
  repetition_penalty: number,
  presence_penalty: number,
  frequency_penalty: number,
  logit_bias: z.record(z.string(), z.number()).nullish(),
  seed: integer,
  n: integer,
  best_of: integer,
  stop: z.custom<string | readonly string[]>(isStop, "expected a string or a list of strings").nullish(),
  stop_token_ids: z.array(z.int()).nullish(),
  // as br-vllm-serving's documentation spells it
  stop_tokens_ids: z.array(z.int()).nullish(),
  include_stop_str_in_output: flag,
  ignore_eos: flag,
  min_tokens: integer,
  max_tokens: integer,
  prompt_logprobs: integer,
  skip_special_tokens: flag,
} as const;

const samplingObject = z.object(samplingShape);

/** The shared fields of a parsed request. */
export type WireSampling = z.infer<typeof samplingObject>;

/** Maps the shared fields; `logprobs` is left to each format, because they spell it differently. */
export function readSamplingFields(wire: WireSampling): SamplingFields {
  return withoutAbsent({
    temperature: wire.temperature,
    // vLLM spells "off" -1 (or 0).
    topK: wire.top_k === -1 ? 0 : wire.top_k,
    topP: wire.top_p,
    minP: wire.min_p,
    typicalP: wire.typical_p,
    repetitionPenalty: wire.repetition_penalty,
    presencePenalty: wire.presence_penalty,
    frequencyPenalty: wire.frequency_penalty,
    logitBias: wire.logit_bias == null ? undefined : readLogitBias(wire.logit_bias),
    seed: wire.seed,
    n: wire.n,
    bestOf: wire.best_of,
    stop: typeof wire.stop === "string" ? [wire.stop] : wire.stop,
    stopTokenIds: wire.stop_token_ids ?? wire.stop_tokens_ids,
    includeStopStrInOutput: wire.include_stop_str_in_output,
    ignoreEos: wire.ignore_eos,
    minTokens: wire.min_tokens,
    maxTokens: wire.max_tokens,
    promptLogprobs: wire.prompt_logprobs,
    skipSpecialTokens: wire.skip_special_tokens,
  });
}

/** The wire's name of a field of SamplingParams: `topP` is `top_p`. */
export function wireName(field: string): string {
  return field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** Drops fields that are null or undefined. */
export function withoutAbsent(
  fields: {
    readonly [Key in keyof SamplingParams]?: SamplingParams[Key] | null | undefined;
  },
): SamplingFields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value != null));
}

function isStop(value: unknown): boolean {
  return (
    typeof value === "string" || (Array.isArray(value) && value.every((item) => typeof item === "string"))
  );
}

function readLogitBias(wire: Readonly<Record<string, number>>): Map<number, number> {
  const biases = new Map<number, number>();
  for (const [key, bias] of Object.entries(wire)) {
    if (!/^\d{1,15}$/.test(key)) {
      const message = `"logit_bias" maps token ids to biases; ${JSON.stringify(key)} is not a token id. Use for example {"42": -100}.`;
      throw new TroupeError("invalid_request", message, { details: { param: "logit_bias" } });
    }
    biases.set(Number(key), bias);
  }
  return biases;
}
