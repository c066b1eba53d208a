/**
 * ChatGLM 2 and 3, and GLM-4 in their layout: half of each head rotated in neighbouring pairs, few KV heads, q, k and v
 * packed, gate and up packed. The first ChatGLM has the same name and nothing else in common: see glm-6b.ts.
 */
import { parse, z } from "../../core/schema.ts";
import { TroupeError } from "../../errors/troupe-error.ts";
import { type DecoderDims, type LayerDescription, wholeTensor } from "../decoder-description.ts";
import type { ModelFolder } from "../model-folder.ts";
import type { Architecture } from "./architecture.ts";
import { describeGlm6b, isGlm6b } from "./glm-6b.ts";
import { configPath, decoderDims } from "./llama-config.ts";
import {
  attentionSpec,
  gatedMlp,
  groupedQkv,
  layerNorm,
  linear,
  PLAIN_DECODER,
  PLAIN_LAYER,
  plainEmbedding,
  rmsNorm,
  stackedQkv,
} from "./parts.ts";

const size = z.number().int().positive();

const schema = z.looseObject({
  num_layers: size,
  hidden_size: size,
  ffn_hidden_size: size,
  num_attention_heads: size,
  kv_channels: size.nullish(),
  multi_query_attention: z.boolean().default(false),
  multi_query_group_num: size.default(1),
  padded_vocab_size: size,
  seq_length: size,
  layernorm_epsilon: z.number().positive().default(1e-5),
  rmsnorm: z.boolean().default(true),
  post_layer_norm: z.boolean().default(true),
  apply_residual_connection_post_layernorm: z.boolean().default(false),
  add_bias_linear: z.boolean().default(false),
  add_qkv_bias: z.boolean().default(false),
  tie_word_embeddings: z.boolean().default(false),
  original_rope: z.boolean().default(true),
  /** Stretches the base of the angles in models for long texts. */
  rope_ratio: z.number().positive().default(1),
});
type Config = z.infer<typeof schema>;

const ROPE_BASE = 10_000;
const MLP_NAMES = { gateUp: ["dense_h_to_4h"], down: "dense_4h_to_h" } as const;

export const chatglm: Architecture = {
  names: ["ChatGLMModel", "ChatGLMForConditionalGeneration"],
  describe(folder) {
    if (isGlm6b(folder)) return describeGlm6b(folder);
    const config = readConfig(folder);
    const dims = readDims(config, configPath(folder));
    const embedding = "transformer.embedding.word_embeddings.weight";
    const head = config.tie_word_embeddings ? embedding : "transformer.output_layer.weight";
    const scaling = { kind: "none" } as const;
    return {
      ...dims,
      ...PLAIN_DECODER,
      maxPositions: config.seq_length,
      embedding: plainEmbedding(embedding),
      layers: Array.from({ length: config.num_layers }, (_, index) => describeLayer(index, config, dims)),
      finalNorm: norm("transformer.encoder.final_layernorm", config),
      head: {
        name: "head",
        inputs: dims.hiddenSize,
        weight: [wholeTensor(head, dims.vocabSize)],
        bias: null,
      },
      ropes: [{ rotaryDim: dims.headDim / 2, theta: ROPE_BASE * config.rope_ratio, scaling }],
    };
  },
};

function readConfig(folder: ModelFolder): Config {
  const what = configPath(folder);
  const config = parse(schema, folder.config, { code: "invalid_model", what });
  if (config.post_layer_norm) return config;
  throw new TroupeError(
    "unsupported_model",
    `${what}: post_layer_norm false is not supported; no published model has it`,
  );
}

function readDims(config: Config, what: string): DecoderDims {
  const { multi_query_attention: isGrouped, multi_query_group_num: numGroups } = config;
  const numKvHeads = isGrouped ? numGroups : config.num_attention_heads;
  const keys = { num_key_value_heads: numKvHeads, head_dim: config.kv_channels ?? null };
  return decoderDims({ ...config, ...keys, vocab_size: config.padded_vocab_size }, what);
}

function norm(module: string, config: Config) {
  const make = config.rmsnorm ? rmsNorm : layerNorm;
  return make(module, config.hidden_size, config.layernorm_epsilon);
}

function describeLayer(index: number, config: Config, dims: DecoderDims): LayerDescription {
  const { hiddenSize, numHeads, headDim } = dims;
  const prefix = `transformer.encoder.layers.${index}`;
  const attention = `${prefix}.self_attention`;
  const packed = config.multi_query_attention ? stackedQkv : groupedQkv;
  const hasBias = config.add_bias_linear;
  return {
    ...PLAIN_LAYER,
    attention: attentionSpec(headDim),
    rotary: { rope: 0, pairs: config.original_rope ? "neighbours" : "halves" },
    residual: config.apply_residual_connection_post_layernorm
      ? { kind: "normed", scale: 1 }
      : PLAIN_LAYER.residual,
    inputNorm: norm(`${prefix}.input_layernorm`, config),
    qkv: packed(`${attention}.query_key_value`, dims, hasBias || config.add_qkv_bias),
    output: linear("output", numHeads * headDim, { [`${attention}.dense`]: hiddenSize }, hasBias),
    mlpNorm: norm(`${prefix}.post_attention_layernorm`, config),
    mlp: gatedMlp(`${prefix}.mlp`, hiddenSize, config.ffn_hidden_size, {
      activation: "silu",
      hasBias,
      names: MLP_NAMES,
    }),
  };
}
