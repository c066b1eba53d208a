/**
 * A request of MindSpore Serving's LLM server: its schema, its defaults, and the mapping onto sampling fields. Values
 * that its server corrected in silence are corrected here too, and reported.
 */
import { parse, z } from "../../core/schema.ts";
import { TroupeError } from "../../errors/troupe-error.ts";
import { looseBoolean, looseInteger, looseNumber } from "../loose-fields.ts";
import { type SamplingFields, wireName } from "../openai/sampling-fields.ts";

const parameters = z.strictObject({
  do_sample: looseBoolean.nullish(),
  top_k: looseInteger.nullish(),
  top_p: looseNumber.nullish(),
  temperature: looseNumber.nullish(),
  repetition_penalty: looseNumber.nullish(),
  max_new_tokens: looseInteger.nullish(),
  return_full_text: looseBoolean.nullish(),
  return_protocol: z.string().nullish(),
  decoder_input_details: looseBoolean.nullish(),
  details: looseBoolean.nullish(),
  seed: looseInteger.nullish(),
  stop: z.array(z.string()).nullish(),
  top_n_tokens: looseInteger.nullish(),
  truncate: z.union([looseBoolean, looseInteger]).nullish(),
  typical_p: looseNumber.nullish(),
  watermark: looseBoolean.nullish(),
});

const schema = z.strictObject({
  inputs: z.string(),
  parameters: parameters.nullish(),
  stream: looseBoolean.nullish(),
});

type Parameters = z.infer<typeof parameters>;

/** Its server's defaults; do_sample as its documentation has it, not as its schema did. */
const DEFAULT_TOP_K = 3;
const DEFAULT_NEW_TOKENS = 300;
const MIN_TOP_P = 0.01;
const TEMPERATURE_RANGE = { above: 1e-5, most: 65_536 };

/** A value that was corrected. */
export interface Correction {
  readonly field: string;
  readonly given: number;
  readonly used: number;
}

/** A parsed request. */
export interface MindsporeRequest {
  readonly inputs: string;
  readonly isStreamed: boolean;
  readonly fields: SamplingFields;
  readonly corrections: readonly Correction[];
  /** A last frame of a stream repeats the whole answer. */
  readonly returnFullText: boolean;
  /** As the request asked for it; null leaves it to the server. */
  readonly protocol: "sse" | "raw" | null;
  readonly details: boolean;
  readonly promptDetails: boolean;
  /** Alternatives to each token; 0 for none. */
  readonly topTokens: number;
  /** Keep only so many last tokens of the prompt, or what fits; null refuses a prompt that is too long. */
  readonly truncate: number | "fit" | null;
}

/**
 * @param body the decoded JSON
 * @param vocabSize what top_k must be below
 * @throws TroupeError `invalid_request` naming the field, `unsupported` for a watermark
 */
export function readMindsporeRequest(body: unknown, vocabSize: number): MindsporeRequest {
  const wire = parse(schema, body, { code: "invalid_request", what: "request body" });
  const given = wire.parameters ?? {};
  if (given.watermark === true) throw unsupportedWatermark();
  const corrections: Correction[] = [];
  const fields = readSampling(given, vocabSize, corrections);
  const topTokens = given.top_n_tokens ?? 0;
  return {
    inputs: wire.inputs,
    isStreamed: wire.stream ?? false,
    fields,
    corrections,
    returnFullText: given.return_full_text ?? true,
    protocol: given.return_protocol == null ? null : given.return_protocol === "sse" ? "sse" : "raw",
    details: given.details ?? false,
    promptDetails: given.decoder_input_details ?? false,
    topTokens,
    truncate: readTruncate(given.truncate),
  };
}

function readSampling(given: Parameters, vocabSize: number, corrections: Correction[]): SamplingFields {
  const correct = (field: string, value: number, used: number): number => {
    if (value !== used) corrections.push({ field, given: value, used });
    return used;
  };
  const asked = given.temperature ?? 1;
  const isWarm = asked > TEMPERATURE_RANGE.above && asked <= TEMPERATURE_RANGE.most;
  const temperature = correct("temperature", asked, isWarm ? asked : 1);
  const topK = given.top_k ?? DEFAULT_TOP_K;
  const topP = given.top_p ?? 1;
  const used = {
    topK: correct("top_k", topK, topK > 0 && topK < vocabSize ? topK : 1),
    topP: correct("top_p", topP, Math.min(1, Math.max(MIN_TOP_P, topP))),
  };
  const isSampled = (given.do_sample ?? false) && isWarm;
  return {
    ...(isSampled ? { temperature, ...used, ...readTypicalP(given) } : { temperature: 0 }),
    repetitionPenalty: given.repetition_penalty ?? 1,
    maxTokens: given.max_new_tokens ?? DEFAULT_NEW_TOKENS,
    ...(given.seed != null && { seed: given.seed }),
    ...(given.stop != null && { stop: given.stop }),
  };
}

/** 0 is what its schema had for "off". */
function readTypicalP({ typical_p }: Parameters): SamplingFields {
  return typical_p == null || typical_p === 0 ? {} : { typicalP: typical_p };
}

function readTruncate(value: boolean | number | null | undefined): MindsporeRequest["truncate"] {
  if (value == null || value === false) return null;
  if (value === true) return "fit";
  if (value >= 1) return value;
  const message = `"parameters.truncate" is ${value}; it must be the number of tokens to keep, at least 1, or a boolean.`;
  throw new TroupeError("invalid_request", message, { details: { param: "parameters.truncate" } });
}

function unsupportedWatermark(): TroupeError {
  const message = '"parameters.watermark": answers are never marked here; leave it out or send false.';
  return new TroupeError("unsupported", message, { details: { param: "parameters.watermark" } });
}

/** A field of SamplingParams in this protocol's words: `maxTokens` is `parameters.max_new_tokens`. */
export function mindsporeName(field: string): string {
  const name = field === "maxTokens" ? "max_new_tokens" : wireName(field);
  return `parameters.${name}`;
}
