/**
 * Rotary settings of a config.json, in the spelling of both generations:
 *
 *     "rope_theta": 500000.0, "rope_scaling": { "type": "linear", "factor": 2.0 }          up to Transformers 4
 *     "rope_parameters": { "rope_type": "linear", "rope_theta": 500000.0, "factor": 2.0 }   since Transformers 5
 *     "rope_parameters": { "full_attention": { ... }, "sliding_attention": { ... } }        one for each layer type
 */
import { parse, z } from "../core/schema.ts";
import { TroupeError } from "../errors/troupe-error.ts";
import type { RopeSpec } from "./compiled-model.ts";
import { yarnMagnitude } from "./rope.ts";

const positive = z.number().positive();

const parametersSchema = z.looseObject({
  rope_type: z.string().nullish(),
  type: z.string().nullish(),
  rope_theta: positive.nullish(),
  partial_rotary_factor: z.number().positive().max(1).nullish(),
  factor: positive.nullish(),
  original_max_position_embeddings: positive.nullish(),
  low_freq_factor: positive.nullish(),
  high_freq_factor: positive.nullish(),
  attention_factor: positive.nullish(),
  beta_fast: positive.nullish(),
  beta_slow: positive.nullish(),
  mscale: z.number().nullish(),
  mscale_all_dim: z.number().nullish(),
  truncate: z.boolean().nullish(),
  short_factor: z.array(positive).nullish(),
  long_factor: z.array(positive).nullish(),
});
type Parameters = z.infer<typeof parametersSchema>;

/** The rotary keys of a config.json, for the schema of an architecture to include. */
export const ropeKeys = {
  rope_theta: positive.nullish(),
  rope_scaling: z.looseObject({}).nullish(),
  rope_parameters: z.looseObject({}).nullish(),
  partial_rotary_factor: z.number().positive().max(1).nullish(),
  /** Phi-3 tells it here. */
  original_max_position_embeddings: positive.nullish(),
};

/** What {@link readRopes} needs of a parsed config.json. */
export interface RopeConfig extends z.infer<z.ZodObject<typeof ropeKeys>> {
  readonly max_position_embeddings: number;
}

/** The ropes of a model and which layers use which. */
export interface Ropes {
  readonly specs: readonly RopeSpec[];
  /** Index into specs for a layer of this type; models with one rope use it for every type. */
  indexOf(layerType: string): number;
  /** Positions the scaling stretches the model to. */
  readonly maxPositions: number;
}

/** Transformers' default when config.json names none. */
const DEFAULT_THETA = 10_000;

/**
 * @throws TroupeError `unsupported_model` for an unknown kind of scaling, `invalid_model` for a missing parameter.
 */
export function readRopes(config: RopeConfig, headDim: number, what: string): Ropes {
  const raw = { ...config.rope_scaling, ...config.rope_parameters };
  const nested = Object.entries(raw).filter(([, value]) => isObject(value));
  const groups: [layerType: string, parameters: unknown][] = nested.length > 0 ? nested : [["", raw]];
  const read = groups.map(([layerType, value]) => {
    const path = `${what}: rope_parameters${layerType === "" ? "" : `.${layerType}`}`;
    const parameters = parse(parametersSchema, value, { code: "invalid_model", what: path });
    return readRope(parameters, { config, headDim, what: path });
  });
  const layerTypes = groups.map(([layerType]) => layerType);
  return {
    specs: read,
    indexOf(layerType) {
      const index = nested.length > 0 ? layerTypes.indexOf(layerType) : 0;
      if (index >= 0) return index;
      const known = layerTypes.join(", ");
      throw new TroupeError(
        "invalid_model",
        `${what}: layer type "${layerType}" has no rope_parameters; ${known} have`,
      );
    },
    maxPositions: Math.max(...read.map((spec) => stretchedPositions(spec, config.max_position_embeddings))),
  };
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

interface Context {
  readonly config: RopeConfig;
  readonly headDim: number;
  readonly what: string;
}

function readRope(parameters: Parameters, { config, headDim, what }: Context): RopeSpec {
  const partial = parameters.partial_rotary_factor ?? config.partial_rotary_factor ?? 1;
  const rotaryDim = Math.trunc(headDim * partial);
  if (rotaryDim < 2 || rotaryDim % 2 !== 0) {
    throw new TroupeError(
      "invalid_model",
      `${what}: ${rotaryDim} rotary dimensions of ${headDim}; they turn in pairs`,
    );
  }
  const theta = parameters.rope_theta ?? config.rope_theta ?? DEFAULT_THETA;
  return { rotaryDim, theta, scaling: readScaling(parameters, { config, rotaryDim, what }) };
}

const KINDS = ["default", "linear", "dynamic", "llama3", "yarn", "longrope"] as const;

interface ScalingContext {
  readonly config: RopeConfig;
  readonly rotaryDim: number;
  readonly what: string;
}

function readScaling(parameters: Parameters, context: ScalingContext): RopeSpec["scaling"] {
  const { config, what } = context;
  const maxPositions = config.max_position_embeddings;
  const name = parameters.rope_type ?? parameters.type ?? "default";
  const kind = KINDS.find((known) => known === name);
  const need = (key: "factor" | "low_freq_factor" | "high_freq_factor"): number => {
    const value = parameters[key];
    if (value !== null && value !== undefined) return value;
    throw new TroupeError("invalid_model", `${what}: rope type "${name}" needs "${key}"`);
  };
  const originalMaxPositions = parameters.original_max_position_embeddings ?? maxPositions;
  switch (kind) {
    case "default":
      return { kind: "none" };
    case "linear":
      return { kind, factor: need("factor") };
    case "dynamic":
      return { kind, factor: need("factor"), originalMaxPositions };
    case "llama3":
      return {
        kind,
        factor: need("factor"),
        lowFreqFactor: need("low_freq_factor"),
        highFreqFactor: need("high_freq_factor"),
        originalMaxPositions,
      };
    case "yarn":
      return readYarn(
        parameters,
        parameters.factor ?? maxPositions / originalMaxPositions,
        originalMaxPositions,
      );
    case "longrope":
      return readLongrope(parameters, context);
    case undefined: {
      const message = `${what}: rope type "${name}" is not supported; supported are ${KINDS.join(", ")}`;
      throw new TroupeError("unsupported_model", message, { details: { ropeType: name } });
    }
  }
}

function readYarn(parameters: Parameters, factor: number, originalMaxPositions: number): RopeSpec["scaling"] {
  const { mscale, mscale_all_dim: mscaleAllDim } = parameters;
  const ratio =
    mscale && mscaleAllDim ? yarnMagnitude(factor, mscale) / yarnMagnitude(factor, mscaleAllDim) : null;
  return {
    kind: "yarn",
    factor,
    originalMaxPositions,
    betaFast: parameters.beta_fast ?? 32,
    betaSlow: parameters.beta_slow ?? 1,
    attentionFactor: parameters.attention_factor ?? ratio,
    truncate: parameters.truncate ?? true,
  };
}

function readLongrope(
  { short_factor: shortFactors, long_factor: longFactors, ...parameters }: Parameters,
  { config, rotaryDim, what }: ScalingContext,
): RopeSpec["scaling"] {
  const maxPositions = config.max_position_embeddings;
  const originalMaxPositions =
    config.original_max_position_embeddings ?? parameters.original_max_position_embeddings ?? maxPositions;
  if (shortFactors?.length !== rotaryDim / 2 || longFactors?.length !== rotaryDim / 2) {
    const message = `${what}: rope type "longrope" needs "short_factor" and "long_factor" of ${rotaryDim / 2} numbers each`;
    throw new TroupeError("invalid_model", message);
  }
  const stretch = maxPositions / originalMaxPositions;
  // https://arxiv.org/abs/2402.13753, section 4.2
  const magnitude = stretch <= 1 ? 1 : Math.sqrt(1 + Math.log(stretch) / Math.log(originalMaxPositions));
  const attentionFactor = parameters.attention_factor ?? magnitude;
  return { kind: "longrope", shortFactors, longFactors, originalMaxPositions, attentionFactor };
}

/** As vLLM derives a model's length: max_position_embeddings is the trained length except for llama3 and longrope. */
function stretchedPositions({ scaling }: RopeSpec, maxPositions: number): number {
  switch (scaling.kind) {
    case "none":
    case "llama3":
    case "longrope":
      return maxPositions;
    case "linear":
      return Math.floor(maxPositions * scaling.factor);
    case "dynamic":
    case "yarn":
      return Math.floor(scaling.originalMaxPositions * scaling.factor);
  }
}
