/** GPT-BigCode (StarCoder, WizardCoder, SantaCoder): GPT-2 with one KV head for all: learned positions, layer norms. */
import { parse, z } from "../../core/schema.ts";
import { type DecoderDims, type LayerDescription, wholeTensor } from "../decoder-description.ts";
import type { Activation } from "../mlp-description.ts";
import { readActivation } from "./activation.ts";
import type { Architecture } from "./architecture.ts";
import { configPath, decoderDims } from "./llama-config.ts";
import {
  attentionSpec,
  groupedQkv,
  layerNorm,
  linear,
  PLAIN_DECODER,
  PLAIN_LAYER,
  stackedQkv,
} from "./parts.ts";

const size = z.number().int().positive();

const schema = z.looseObject({
  vocab_size: size,
  n_positions: size,
  n_embd: size,
  n_layer: size,
  n_head: size,
  n_inner: size.nullish(),
  multi_query: z.boolean().default(true),
  activation_function: z.string().default("gelu_pytorch_tanh"),
  layer_norm_epsilon: z.number().positive().default(1e-5),
  scale_attn_weights: z.boolean().default(true),
  tie_word_embeddings: z.boolean().default(true),
});
type Config = z.infer<typeof schema>;

export const gptBigcode: Architecture = {
  names: ["GPTBigCodeForCausalLM"],
  describe(folder) {
    const what = configPath(folder);
    const config = parse(schema, folder.config, { code: "invalid_model", what });
    const activation = readActivation(config.activation_function, `${what}: activation_function`);
    const keys = { hidden_size: config.n_embd, num_attention_heads: config.n_head, head_dim: null };
    const numKvHeads = config.multi_query ? 1 : config.n_head;
    const dims = decoderDims({ ...config, ...keys, num_key_value_heads: numKvHeads }, what);
    const embedding = "transformer.wte.weight";
    const head = config.tie_word_embeddings ? embedding : "lm_head.weight";
    return {
      ...dims,
      ...PLAIN_DECODER,
      maxPositions: config.n_positions,
      embedding: { tensor: embedding, scale: 1, positions: "transformer.wpe.weight", norm: null },
      layers: Array.from({ length: config.n_layer }, (_, index) =>
        describeLayer(`transformer.h.${index}`, config, dims, activation),
      ),
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

function norm(module: string, config: Config) {
  return layerNorm(module, config.n_embd, config.layer_norm_epsilon);
}

function describeLayer(
  prefix: string,
  config: Config,
  dims: DecoderDims,
  activation: Activation,
): LayerDescription {
  const { hiddenSize, headDim } = dims;
  const intermediateSize = config.n_inner ?? 4 * hiddenSize;
  const packed = config.multi_query ? stackedQkv : groupedQkv;
  return {
    ...PLAIN_LAYER,
    attention: attentionSpec(headDim, config.scale_attn_weights ? {} : { scale: 1 }),
    rotary: null,
    inputNorm: norm(`${prefix}.ln_1`, config),
    qkv: packed(`${prefix}.attn.c_attn`, dims, true),
    output: linear("output", hiddenSize, { [`${prefix}.attn.c_proj`]: hiddenSize }, true),
    mlpNorm: norm(`${prefix}.ln_2`, config),
    mlp: {
      kind: "plain",
      activation,
      up: linear("up", hiddenSize, { [`${prefix}.mlp.c_fc`]: intermediateSize }, true),
      down: linear("down", intermediateSize, { [`${prefix}.mlp.c_proj`]: hiddenSize }, true),
    },
  };
}
