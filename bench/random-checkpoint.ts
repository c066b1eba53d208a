/** Writes a Llama checkpoint of any shape with random bf16 weights: a benchmark needs the sizes of a model, not its sense. */
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";

/** Sizes of a Llama. */
export interface LlamaShape {
  readonly numLayers: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly numHeads: number;
  readonly numKvHeads: number;
  readonly headDim: number;
  readonly vocabSize: number;
  readonly maxPositions: number;
}

/** TinyLlama-1.1B. */
export const TINY_LLAMA: LlamaShape = {
  numLayers: 22,
  hiddenSize: 2048,
  intermediateSize: 5632,
  numHeads: 32,
  numKvHeads: 4,
  headDim: 64,
  vocabSize: 32000,
  maxPositions: 4096,
};

const BLOCK_ELEMENTS = 2 ** 20;
const BF16_BYTES = 2;

/** Writes config.json and model.safetensors into `dir`. */
export function writeRandomCheckpoint(dir: string, shape: LlamaShape): void {
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, "config.json"), JSON.stringify(configOf(shape)));
  const tensors = llamaTensors(shape);
  let offset = 0;
  const header: Record<string, unknown> = {};
  for (const [name, dims] of tensors) {
    const end = offset + elementsOf(dims) * BF16_BYTES;
    header[name] = { dtype: "BF16", shape: dims, data_offsets: [offset, end] };
    offset = end;
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.byteLength));
  const file = openSync(join(dir, "model.safetensors"), "w");
  try {
    for (const bytes of [length, text]) writeSync(file, bytes);
    for (const [index, [, dims]] of tensors.entries()) writeWeights(file, dims, index);
  } finally {
    closeSync(file);
  }
}

/**
 * A random block again and again, scaled to keep activations near 1; norms are ones. Every tensor has a block of its own: ONNX
 * Runtime keeps equal weights of a graph once, and those of one layer fit a processor's cache where those of 22 do not.
 */
function writeWeights(file: number, dims: readonly number[], seed: number): void {
  const scale = dims.length === 1 ? 0 : 1.7 / Math.sqrt(dims[1]!);
  let state = Math.imul(seed + 1, 2654435761) >>> 0;
  const floats = Float32Array.from({ length: BLOCK_ELEMENTS }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return scale === 0 ? 1 : (state / 2 ** 31 - 1) * scale;
  });
  const block = Uint16Array.from(new Uint32Array(floats.buffer), (bits) => bits >>> 16);
  for (let left = elementsOf(dims); left > 0; left -= BLOCK_ELEMENTS) {
    writeSync(file, block, 0, Math.min(left, BLOCK_ELEMENTS) * BF16_BYTES);
  }
}

/** Elements of a tensor. */
export function elementsOf(dims: readonly number[]): number {
  return dims.reduce((product, dim) => product * dim, 1);
}

/** Names and dimensions of all tensors, as Hugging Face has them. */
export function llamaTensors(shape: LlamaShape): [name: string, dims: number[]][] {
  const { hiddenSize: hidden, intermediateSize: inner, vocabSize, headDim } = shape;
  const [qWidth, kvWidth] = [shape.numHeads * headDim, shape.numKvHeads * headDim];
  const layer = (index: number): [string, number[]][] => [
    [`model.layers.${index}.input_layernorm.weight`, [hidden]],
    [`model.layers.${index}.self_attn.q_proj.weight`, [qWidth, hidden]],
    [`model.layers.${index}.self_attn.k_proj.weight`, [kvWidth, hidden]],
    [`model.layers.${index}.self_attn.v_proj.weight`, [kvWidth, hidden]],
    [`model.layers.${index}.self_attn.o_proj.weight`, [hidden, qWidth]],
    [`model.layers.${index}.post_attention_layernorm.weight`, [hidden]],
    [`model.layers.${index}.mlp.gate_proj.weight`, [inner, hidden]],
    [`model.layers.${index}.mlp.up_proj.weight`, [inner, hidden]],
    [`model.layers.${index}.mlp.down_proj.weight`, [hidden, inner]],
  ];
  return [
    ["model.embed_tokens.weight", [vocabSize, hidden]],
    ...Array.from({ length: shape.numLayers }, (_, index) => layer(index)).flat(),
    ["model.norm.weight", [hidden]],
    ["lm_head.weight", [vocabSize, hidden]],
  ];
}

function configOf(shape: LlamaShape): Record<string, unknown> {
  return {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    hidden_size: shape.hiddenSize,
    intermediate_size: shape.intermediateSize,
    num_hidden_layers: shape.numLayers,
    num_attention_heads: shape.numHeads,
    num_key_value_heads: shape.numKvHeads,
    head_dim: shape.headDim,
    vocab_size: shape.vocabSize,
    max_position_embeddings: shape.maxPositions,
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    hidden_act: "silu",
    tie_word_embeddings: false,
    torch_dtype: "bfloat16",
    bos_token_id: 1,
    eos_token_id: 2,
  };
}
