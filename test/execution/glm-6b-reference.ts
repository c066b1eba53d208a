/**
 * The first ChatGLM in plain arithmetic, written from its published modelling code: no pages, no chunks, no packing, and
 * nothing shared with what it is to check.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { safetensors } from "../model/make-checkpoint.ts";

const SIZES = { hidden: 64, inner: 160, heads: 2, layers: 2, vocab: 128 };
const [MASK, START, END] = [120, 121, 122] as const;

/** What every prompt ends with: the token that says where the answer goes, and the start token. */
export const GLM_PROMPT_END: readonly number[] = [MASK, START];

type Weights = Readonly<Record<string, Float32Array>>;
type Row = readonly number[];

const EPSILON = 1e-5;

/** Writes a made-up model, the same in every run, and gives its weights. */
export function writeGlm(dir: string): Weights {
  let state = 42;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
  const weights: Record<string, Float32Array> = {};
  const tensors = Object.entries(shapesOf(SIZES)).map(([name, shape]) => {
    const center = name.endsWith("layernorm.weight") ? 1 : 0;
    const data = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => center + 0.4 * next());
    weights[name] = data;
    return [name, { dtype: "F32", shape, data }] as const;
  });
  const config = {
    architectures: ["ChatGLMModel"],
    hidden_size: SIZES.hidden,
    inner_hidden_size: SIZES.inner,
    num_attention_heads: SIZES.heads,
    num_layers: SIZES.layers,
    vocab_size: SIZES.vocab,
    max_sequence_length: 128,
    layernorm_epsilon: EPSILON,
    position_encoding_2d: true,
    bos_token_id: START,
    eos_token_id: END,
    gmask_token_id: MASK,
  };
  writeFileSync(join(dir, "config.json"), JSON.stringify(config));
  writeFileSync(join(dir, "model.safetensors"), safetensors(Object.fromEntries(tensors)));
  return weights;
}

function shapesOf({ hidden, inner, layers, vocab }: typeof SIZES): Record<string, number[]> {
  const shapes: Record<string, number[]> = {
    "transformer.word_embeddings.weight": [vocab, hidden],
    "transformer.final_layernorm.weight": [hidden],
    "transformer.final_layernorm.bias": [hidden],
    "lm_head.weight": [vocab, hidden],
  };
  for (let layer = 0; layer < layers; layer++) {
    const add = (name: string, outputs: number, inputs?: number) => {
      const module = `transformer.layers.${layer}.${name}`;
      shapes[`${module}.weight`] = inputs === undefined ? [outputs] : [outputs, inputs];
      shapes[`${module}.bias`] = [outputs];
    };
    add("input_layernorm", hidden);
    add("post_attention_layernorm", hidden);
    add("attention.query_key_value", 3 * hidden, hidden);
    add("attention.dense", hidden, hidden);
    add("mlp.dense_h_to_4h", inner, hidden);
    add("mlp.dense_4h_to_h", hidden, inner);
  }
  return shapes;
}

/**
 * Logits of the last token.
 *
 * @param startToken index of the start token, the last of the prompt; what is before it is seen in both directions
 */
export function glmLogits(weights: Weights, ids: Row, startToken: number): number[] {
  const { hidden, layers, vocab } = SIZES;
  const mask = startToken - 1; // the token that says where the answer goes
  const positions = ids.map((_, i) => (i < startToken ? i : mask));
  const blocks = ids.map((_, i) => (i < startToken ? 0 : i - startToken + 1));
  let rows = ids.map((id) => [
    ...weights["transformer.word_embeddings.weight"]!.subarray(id * hidden, (id + 1) * hidden),
  ]);
  const alpha = Math.sqrt(2 * layers);
  for (let layer = 0; layer < layers; layer++) {
    const module = (name: string) => `transformer.layers.${layer}.${name}`;
    const normed = rows.map((row) => layerNorm(weights, module("input_layernorm"), row));
    const packed = normed.map((row) => affine(weights, module("attention.query_key_value"), row));
    const attended = attention(packed, { positions, blocks, startToken });
    const middle = attended.map((row, i) =>
      affine(weights, module("attention.dense"), row).map((value, d) => alpha * normed[i]![d]! + value),
    );
    rows = middle.map((row) => {
      const input = layerNorm(weights, module("post_attention_layernorm"), row);
      const wide = affine(weights, module("mlp.dense_h_to_4h"), input).map(gelu);
      return affine(weights, module("mlp.dense_4h_to_h"), wide).map((value, d) => alpha * input[d]! + value);
    });
  }
  const last = layerNorm(weights, "transformer.final_layernorm", rows.at(-1)!);
  return Array.from({ length: vocab }, (_, id) => dot(weights["lm_head.weight"]!, id * hidden, last));
}

interface Places {
  readonly positions: Row;
  readonly blocks: Row;
  readonly startToken: number;
}

/** @param packed for each token, head after head: its query, its key, its value */
function attention(packed: readonly Row[], places: Places): number[][] {
  const { hidden, heads } = SIZES;
  const size = hidden / heads;
  const part = (token: number, head: number, third: number) =>
    packed[token]!.slice((3 * head + third) * size, (3 * head + third + 1) * size);
  const turned = (token: number, head: number, third: number) => {
    const vector = part(token, head, third);
    return [
      ...rotate(vector.slice(0, size / 2), places.positions[token]!),
      ...rotate(vector.slice(size / 2), places.blocks[token]!),
    ];
  };
  return packed.map((_, token) => {
    const visible = packed.map((_, key) => key).filter((key) => key <= token || key < places.startToken);
    return Array.from({ length: heads }, (_, head) => {
      const query = turned(token, head, 0);
      const scores = visible.map((key) => dot(turned(key, head, 1), 0, query) / Math.sqrt(size));
      const largest = Math.max(...scores);
      const powers = scores.map((score) => Math.exp(score - largest));
      const total = powers.reduce((sum, power) => sum + power);
      const values = visible.map((key) => part(key, head, 2));
      return query.map((_, d) => powers.reduce((sum, power, i) => sum + (power / total) * values[i]![d]!, 0));
    }).flat();
  });
}

/** Turns (i, i + half) by position / 10000^(2i / length). */
function rotate(vector: Row, position: number): number[] {
  const half = vector.length / 2;
  return vector.map((value, d) => {
    const angle = position / 10000 ** ((2 * (d % half)) / vector.length);
    const other = d < half ? -vector[d + half]! : vector[d - half]!;
    return value * Math.cos(angle) + other * Math.sin(angle);
  });
}

function layerNorm(weights: Weights, module: string, row: Row): number[] {
  const mean = row.reduce((sum, value) => sum + value, 0) / row.length;
  const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / row.length;
  return row.map((value, d) => {
    const scaled = (value - mean) / Math.sqrt(variance + EPSILON);
    return scaled * weights[`${module}.weight`]![d]! + weights[`${module}.bias`]![d]!;
  });
}

function affine(weights: Weights, module: string, row: Row): number[] {
  const weight = weights[`${module}.weight`]!;
  return Array.from(weights[`${module}.bias`]!, (bias, i) => bias + dot(weight, i * row.length, row));
}

function dot(values: ArrayLike<number>, start: number, row: Row): number {
  return row.reduce((sum, value, i) => sum + values[start + i]! * value, 0);
}

function gelu(x: number): number {
  return 0.5 * x * (1 + Math.tanh(0.7978845608028654 * x * (1 + 0.044715 * x * x)));
}
