/**
 * Gemma 2 and 3 (text): norms before and after each part, with weights stored as their distance from 1; a scaled
 * embedding; windows on some layers. Gemma 2 caps scores and logits, Gemma 3 norms the heads of q and k and rotates
 * windowed layers by a base of their own.
 */
import { parse, z } from "../../core/schema.ts";
import type { DecoderDescription, LayerDescription, NormDescription } from "../decoder-description.ts";
import type { ModelFolder } from "../model-folder.ts";
import type { Architecture } from "./architecture.ts";
import { configPath, llamaKeys } from "./llama-config.ts";
import { describeLlamaDecoder } from "./llama-decoder.ts";
import { attentionSpec, rmsNorm } from "./parts.ts";

const positive = z.number().positive();
const size = positive.int();

const schema = z.looseObject({
  ...llamaKeys,
  head_dim: size.default(256),
  hidden_activation: z.string().nullish(),
  tie_word_embeddings: z.boolean().default(true),
  query_pre_attn_scalar: positive.default(256),
  attn_logit_softcapping: positive.nullish(),
  attn_implementation: z.string().nullish(),
  transformers_version: z.string().nullish(),
  final_logit_softcapping: positive.nullish(),
  sliding_window: size.nullish(),
  /** Gemma 3: every so many layers one sees all. */
  sliding_window_pattern: size.default(6),
  rope_local_base_freq: positive.default(10_000),
});
type Config = z.infer<typeof schema>;

const SLIDING = "sliding_attention";
const FULL = "full_attention";

export const gemma2: Architecture = {
  names: ["Gemma2ForCausalLM"],
  describe(folder) {
    const parsed = parseConfig(folder);
    const sliding_window = parsed.sliding_window ?? 4096;
    const softcaps = { attn_logit_softcapping: 50, final_logit_softcapping: 30 };
    const config = { ...withDefaults(parsed, softcaps), sliding_window };
    return describeGemma(
      folder,
      withLayerTypes(config, (layer) => layer % 2 === 0),
      false,
    );
  },
};

/** Transformers' default where config.json has no base for the layers that see all. */
const GEMMA3_THETA = 1_000_000;

export const gemma3: Architecture = {
  names: ["Gemma3ForCausalLM"],
  describe(folder) {
    const parsed = parseConfig(folder);
    const pattern = parsed.sliding_window_pattern;
    const sliding_window = parsed.sliding_window ?? 4096;
    const typed = withLayerTypes({ ...parsed, sliding_window }, (layer) => (layer + 1) % pattern !== 0);
    const rope_parameters = parsed.rope_parameters ?? {
      [FULL]: { rope_theta: parsed.rope_theta ?? GEMMA3_THETA, ...parsed.rope_scaling },
      [SLIDING]: { rope_theta: parsed.rope_local_base_freq },
    };
    const config = { ...typed, rope_parameters, rope_scaling: null };
    // Its max_position_embeddings is the stretched length already.
    return { ...describeGemma(folder, config, true), maxPositions: config.max_position_embeddings };
  },
};

function parseConfig(folder: ModelFolder): Config {
  const config = parse(schema, folder.config, { code: "invalid_model", what: configPath(folder) });
  const hidden_act = config.hidden_activation ?? "gelu_pytorch_tanh";
  return { ...config, hidden_act };
}

/** `defaults` for keys that config.json leaves out; null in the file means none. */
function withDefaults(config: Config, defaults: Partial<Config>): Config {
  return { ...defaults, ...config };
}

function withLayerTypes(config: Config, isSliding: (layer: number) => boolean): Config {
  const typeOf = (layer: number) => (isSliding(layer) ? SLIDING : FULL);
  const layer_types =
    config.layer_types ?? Array.from({ length: config.num_hidden_layers }, (_, layer) => typeOf(layer));
  return { ...config, layer_types };
}

function describeGemma(folder: ModelFolder, config: Config, headNorms: boolean): DecoderDescription {
  const window = (layer: number) =>
    config.layer_types?.[layer] === SLIDING ? (config.sliding_window ?? null) : null;
  const decoder = describeLlamaDecoder(folder, config, {
    qkvBias: config.attention_bias,
    outputBias: config.attention_bias,
    headNorms,
    layer: ({ index, prefix, layer, headDim, hiddenSize }): Partial<LayerDescription> => {
      const norm = (name: string) => ({
        ...rmsNorm(`${prefix}.${name}`, hiddenSize, config.rms_norm_eps),
        unitOffset: true,
      });
      return {
        attention: attentionSpec(headDim, {
          scale: 1 / Math.sqrt(config.query_pre_attn_scalar),
          window: window(index),
          softcap: capsScores(config) ? (config.attn_logit_softcapping ?? null) : null,
        }),
        inputNorm: norm("input_layernorm"),
        queryNorm: withUnitOffset(layer.queryNorm),
        keyNorm: withUnitOffset(layer.keyNorm),
        attentionPostNorm: norm("post_attention_layernorm"),
        mlpNorm: norm("pre_feedforward_layernorm"),
        mlpPostNorm: norm("post_feedforward_layernorm"),
      };
    },
  });
  return {
    ...decoder,
    embedding: { ...decoder.embedding, scale: Math.sqrt(decoder.hiddenSize) },
    finalNorm: withUnitOffset(decoder.finalNorm)!,
    logitSoftcap: config.final_logit_softcapping ?? null,
  };
}

function withUnitOffset(norm: NormDescription | null): NormDescription | null {
  return norm?.kind === "rms" ? { ...norm, unitOffset: true } : norm;
}

/**
 * Whether attn_logit_softcapping counts. Models were trained with it and published by Transformers 4, which applied it;
 * the default attention of Transformers 5, sdpa, leaves it out. A file gets the answers of the version that wrote it,
 * unless it names an implementation.
 */
function capsScores({ attn_implementation: implementation, transformers_version: version }: Config): boolean {
  if (implementation) return implementation !== "sdpa";
  return Number.parseInt(version ?? "4", 10) < 5;
}
