/**
 * The first ChatGLM (GLM-6B): a prompt is attended in both directions, positions have two dimensions, residuals carry the
 * normed input scaled up.
 *
 * Each half of a head turns by one dimension of the position, its own halves together: dimensions [a b c d] by quarters
 * turn a with b and c with d. Rows of q and k are stored as [a c b d], which is the usual turn of halves with the first
 * half of the angles from one dimension of the position and the second from the other; q · k does not see the order.
 */
import { parse, z } from "../../core/schema.ts";
import { TroupeError } from "../../errors/troupe-error.ts";
import {
  type DecoderDescription,
  type DecoderDims,
  type LayerDescription,
  type LinearDescription,
  type RowRange,
  wholeTensor,
} from "../decoder-description.ts";
import type { ModelFolder } from "../model-folder.ts";
import { configPath, decoderDims } from "./llama-config.ts";
import { attentionSpec, layerNorm, linear, PLAIN_DECODER, PLAIN_LAYER, plainEmbedding } from "./parts.ts";

const size = z.number().int().positive();

const schema = z.looseObject({
  num_layers: size,
  hidden_size: size,
  inner_hidden_size: size,
  num_attention_heads: size,
  vocab_size: size,
  max_sequence_length: size,
  layernorm_epsilon: z.number().positive().default(1e-5),
  position_encoding_2d: z.boolean().default(true),
});
type Config = z.infer<typeof schema>;

const ROPE_BASE = 10_000;

/** Later ChatGLMs have the name but not these keys. */
export function isGlm6b({ config }: ModelFolder): boolean {
  return "inner_hidden_size" in config || "position_encoding_2d" in config;
}

/** Describes a model of the family. */
export function describeGlm6b(folder: ModelFolder): DecoderDescription {
  const what = configPath(folder);
  const config = parse(schema, folder.config, { code: "invalid_model", what });
  if (!config.position_encoding_2d) {
    throw new TroupeError("unsupported_model", `${what}: position_encoding_2d false is not supported`);
  }
  const dims = decoderDims(config, what);
  if (dims.headDim % 4 !== 0) {
    const message = `${what}: heads of ${dims.headDim} do not divide into the quarters that two-dimensional positions turn`;
    throw new TroupeError("invalid_model", message);
  }
  return {
    ...dims,
    ...PLAIN_DECODER,
    maxPositions: config.max_sequence_length,
    embedding: plainEmbedding("transformer.word_embeddings.weight"),
    layers: Array.from({ length: config.num_layers }, (_, index) => describeLayer(index, config, dims)),
    finalNorm: norm("transformer.final_layernorm", config),
    head: {
      name: "head",
      inputs: dims.hiddenSize,
      weight: [wholeTensor("lm_head.weight", dims.vocabSize)],
      bias: null,
    },
    ropes: [
      {
        rotaryDim: dims.headDim,
        theta: ROPE_BASE,
        positions: "prefix-and-block",
        scaling: { kind: "none" },
      },
    ],
    // The start token behind the prompt is the first of the answer's block.
    prefixAttention: { numCausalTokens: 1 },
  };
}

function norm(module: string, config: Config) {
  return layerNorm(module, config.hidden_size, config.layernorm_epsilon);
}

function describeLayer(index: number, config: Config, dims: DecoderDims): LayerDescription {
  const { hiddenSize, headDim } = dims;
  const { inner_hidden_size: innerSize } = config;
  const prefix = `transformer.layers.${index}`;
  const mlp = `${prefix}.mlp`;
  return {
    ...PLAIN_LAYER,
    attention: attentionSpec(headDim),
    rotary: { rope: 0, pairs: "halves" },
    residual: { kind: "normed", scale: Math.sqrt(2 * config.num_layers) },
    inputNorm: norm(`${prefix}.input_layernorm`, config),
    qkv: quarteredQkv(`${prefix}.attention.query_key_value`, dims),
    output: linear("output", hiddenSize, { [`${prefix}.attention.dense`]: hiddenSize }, true),
    mlpNorm: norm(`${prefix}.post_attention_layernorm`, config),
    mlp: {
      kind: "plain",
      activation: "gelu-tanh",
      up: linear("up", hiddenSize, { [`${mlp}.dense_h_to_4h`]: innerSize }, true),
      down: linear("down", innerSize, { [`${mlp}.dense_4h_to_h`]: hiddenSize }, true),
    },
  };
}

/** Packed by head: its query, its key, its value; the quarters of q and k as this file's header says. */
function quarteredQkv(module: string, { hiddenSize, numHeads, headDim }: DecoderDims): LinearDescription {
  const quarter = headDim / 4;
  const rows = (suffix: string) => {
    const part = (third: number, pieces: readonly number[], numRows: number): RowRange[] =>
      Array.from({ length: numHeads }, (_, head) =>
        pieces.map((piece) => ({
          tensor: `${module}.${suffix}`,
          tensorRows: 3 * hiddenSize,
          firstRow: (3 * head + third) * headDim + piece * quarter,
          numRows,
        })),
      ).flat();
    const turned = [0, 2, 1, 3];
    return [...part(0, turned, quarter), ...part(1, turned, quarter), ...part(2, [0], headDim)];
  };
  return { name: "qkv", inputs: hiddenSize, weight: rows("weight"), bias: rows("bias") };
}
