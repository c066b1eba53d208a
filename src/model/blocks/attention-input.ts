/** From a normed hidden row to the q, k and v that attention takes: projection, head norms, rotation. */
import type { Segment } from "../compile/segment.ts";
import type {
  DecoderDescription,
  LayerDescription,
  NormDescription,
  RotaryDescription,
} from "../decoder-description.ts";
import type { Value } from "../onnx/graph-builder.ts";
import { linear } from "./linear.ts";
import { normalize } from "./norm.ts";

/** What attention takes: q [tokens, numHeads * headDim], k and v [tokens, numKvHeads * headDim]. */
export interface AttentionInputs {
  readonly q: Value;
  readonly k: Value;
  readonly v: Value;
}

/** Declares the segment's outputs q, k and v. */
export function attentionInput(
  segment: Segment,
  normed: Value,
  layer: LayerDescription,
  decoder: DecoderDescription,
): void {
  const { numHeads, numKvHeads, headDim } = decoder;
  const widths = { q: numHeads * headDim, k: numKvHeads * headDim, v: numKvHeads * headDim };
  const values = projectAttention(segment, normed, layer, decoder, (rope, name) =>
    segment.graph.input(`${name}.${rope}`, "float32", ["tokens", decoder.ropes[rope]!.rotaryDim / 2]),
  );
  for (const name of ["q", "k", "v"] as const)
    segment.graph.output(name, values[name], "float32", ["tokens", widths[name]]);
}

/** @param anglesOf gives the cosines or sines of a rope, a row for each token [tokens, rotaryDim / 2] */
export function projectAttention(
  segment: Segment,
  normed: Value,
  layer: LayerDescription,
  decoder: DecoderDescription,
  anglesOf: (rope: number, name: "cos" | "sin") => Value,
): AttentionInputs {
  const { graph } = segment;
  const { numHeads, numKvHeads, headDim } = decoder;
  const sizes = graph.int64s([numHeads * headDim, numKvHeads * headDim, numKvHeads * headDim]);
  const packed = linear(segment, normed, layer.qkv); // [tokens, (numHeads + 2 * numKvHeads) * headDim]
  const [q, k, v] = graph.multiNode("Split", [packed, sizes], ["query", "key", "value"], { axis: -1 });
  const angles = layer.rotary === null ? null : rotaryAngles(layer.rotary, decoder, anglesOf);
  const finish = (value: Value, count: number, norm: NormDescription | null): Value => {
    const heads = norm === null ? value : normalizeHeads(segment, value, count, norm);
    return angles === null ? heads : rotate(segment, heads, count, angles);
  };
  return { q: finish(q!, numHeads, layer.queryNorm), k: finish(k!, numKvHeads, layer.keyNorm), v: v! };
}

/** @param x [tokens, numHeads * norm.size], normed head by head */
function normalizeHeads(segment: Segment, x: Value, numHeads: number, norm: NormDescription): Value {
  const { graph } = segment;
  const heads = graph.node("Reshape", [x, graph.int64s([-1, numHeads, norm.size])]);
  return graph.node("Reshape", [normalize(segment, heads, norm), graph.int64s([-1, numHeads * norm.size])]);
}

interface Angles {
  readonly cos: Value;
  readonly sin: Value;
  readonly rotaryDim: number;
  readonly headDim: number;
  readonly pairs: RotaryDescription["pairs"];
}

function rotaryAngles(
  { rope, pairs }: RotaryDescription,
  { ropes, headDim }: DecoderDescription,
  anglesOf: (rope: number, name: "cos" | "sin") => Value,
): Angles {
  const { rotaryDim } = ropes[rope]!;
  return { cos: anglesOf(rope, "cos"), sin: anglesOf(rope, "sin"), rotaryDim, headDim, pairs };
}

/**
 * Rotates each head by its token's angles. The operator looks angles up by position; here row t of the tables belongs
 * to token t, so positions count up from 0.
 *
 * @param x [tokens, numHeads * headDim]
 */
function rotate({ graph }: Segment, x: Value, numHeads: number, angles: Angles): Value {
  const { headDim, rotaryDim } = angles;
  const batch = graph.node("Reshape", [x, graph.int64s([1, -1, numHeads * headDim])]);
  const rotated = graph.node(
    "com.microsoft.RotaryEmbedding",
    [batch, graph.int64s([0]), angles.cos, angles.sin],
    {
      interleaved: angles.pairs === "neighbours" ? 1 : 0,
      ...(rotaryDim < headDim ? { num_heads: numHeads, rotary_embedding_dim: rotaryDim } : {}),
    },
  );
  return graph.node("Reshape", [rotated, graph.int64s([-1, numHeads * headDim])]);
}
