/** BLOOM: ALiBi, layer norms, a norm on the embedding, q, k and v packed head by head. */
import { parse, z } from "../../core/schema.ts";
import { type DecoderDims, type LayerDescription, wholeTensor } from "../decoder-description.ts";
import { alibiSlopes } from "./alibi.ts";
import type { Architecture } from "./architecture.ts";
import { configPath, decoderDims } from "./llama-config.ts";
import { attentionSpec, groupedQkv, layerNorm, linear, PLAIN_DECODER, PLAIN_LAYER } from "./parts.ts";

const size = z.number().int().positive();

const schema = z.looseObject({
  vocab_size: size,
  hidden_size: size,
  n_layer: size,
  n_head: size,
  /** ALiBi has no end; this is the length it was trained on. */
  seq_length: size.default(2048),
  layer_norm_epsilon: z.number().positive().default(1e-5),
  apply_residual_connection_post_layernorm: z.boolean().default(false),
  tie_word_embeddings: z.boolean().default(true),
});
type Config = z.infer<typeof schema>;

export const bloom: Architecture = {
  names: ["BloomForCausalLM"],
  describe(folder) {
    const what = configPath(folder);
    const config = parse(schema, renamed(folder.config), { code: "invalid_model", what });
    const dims = decoderDims({ ...config, num_attention_heads: config.n_head }, what);
    const embedding = "transformer.word_embeddings.weight";
    const head = config.tie_word_embeddings ? embedding : "lm_head.weight";
    return {
      ...dims,
      ...PLAIN_DECODER,
      maxPositions: config.seq_length,
      embedding: {
        tensor: embedding,
        scale: 1,
        positions: null,
        norm: norm("transformer.word_embeddings_layernorm", config),
      },
      layers: Array.from({ length: config.n_layer }, (_, index) => describeLayer(index, config, dims)),
      finalNorm: norm("transformer.ln_f", config),
      head: {
        name: "head",
        inputs: dims.hiddenSize,
        weight: [wholeTensor(head, dims.vocabSize)],
        bias: null,
      },
      ropes: [],
    };
  },
};

/** Both generations of key names as one. */
function renamed(config: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { num_hidden_layers: numLayers, num_attention_heads: numHeads, n_embed: hiddenSize } = config;
  return { n_layer: numLayers, n_head: numHeads, hidden_size: hiddenSize, ...config };
}

function norm(module: string, config: Config) {
  return layerNorm(module, config.hidden_size, config.layer_norm_epsilon);
}

function describeLayer(index: number, config: Config, dims: DecoderDims): LayerDescription {
  const { hiddenSize, numHeads, headDim } = dims;
  const prefix = `transformer.h.${index}`;
  const attention = `${prefix}.self_attention`;
  const mlp = `${prefix}.mlp`;
  const intermediateSize = 4 * hiddenSize;
  return {
    ...PLAIN_LAYER,
    attention: attentionSpec(headDim, { alibiSlopes: alibiSlopes(numHeads) }),
    rotary: null,
    residual: config.apply_residual_connection_post_layernorm
      ? { kind: "normed", scale: 1 }
      : PLAIN_LAYER.residual,
    inputNorm: norm(`${prefix}.input_layernorm`, config),
    qkv: groupedQkv(`${attention}.query_key_value`, dims, true),
    output: linear("output", hiddenSize, { [`${attention}.dense`]: hiddenSize }, true),
    mlpNorm: norm(`${prefix}.post_attention_layernorm`, config),
    mlp: {
      kind: "plain",
      activation: "gelu-tanh",
      up: linear("up", hiddenSize, { [`${mlp}.dense_h_to_4h`]: intermediateSize }, true),
      down: linear("down", intermediateSize, { [`${mlp}.dense_4h_to_h`]: hiddenSize }, true),
    },
  };
}
