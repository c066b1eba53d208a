/** From a normed hidden row to the q, k and v that attention takes: projection, head norms, rotation. */
import type { Segment } from "../compile/segment.ts";
import type { DecoderDescription, LayerDescription, NormDescription } from "../decoder-description.ts";
import type { Value } from "../onnx/graph-builder.ts";
import { linear } from "./linear.ts";
import { normalize } from "./norm.ts";

/** Declares the segment's outputs q, k and v. */
export function attentionInput(
  segment: Segment,
  normed: Value,
  layer: LayerDescription,
  decoder: DecoderDescription,
): void {
  const { graph } = segment;
  const { numHeads, numKvHeads, headDim } = decoder;
  const sizes = graph.int64s([numHeads * headDim, numKvHeads * headDim, numKvHeads * headDim]);
  const packed = linear(segment, normed, layer.qkv); // [tokens, (numHeads + 2 * numKvHeads) * headDim]
  const [q, k, v] = graph.multiNode("Split", [packed, sizes], ["query", "key", "value"], { axis: -1 });
  const angles = ropeInputs(segment, layer.rope, decoder);
  const finish = (value: Value, count: number, norm: NormDescription | null): Value => {
    const heads = norm === null ? value : normalizeHeads(segment, value, count, norm);
    return rotate(segment, heads, count * headDim, { ...angles, numHeads: count });
  };
  const outputs = {
    q: [finish(q!, numHeads, layer.queryNorm), numHeads * headDim],
    k: [finish(k!, numKvHeads, layer.keyNorm), numKvHeads * headDim],
    v: [v!, numKvHeads * headDim],
  } as const;
  for (const [name, [value, width]] of Object.entries(outputs)) {
    graph.output(name, value, "float32", ["tokens", width]);
  }
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
}

function ropeInputs(segment: Segment, rope: number, { ropes, headDim }: DecoderDescription): Angles {
  const { rotaryDim } = ropes[rope]!;
  const input = (name: string) =>
    segment.graph.input(`${name}.${rope}`, "float32", ["tokens", rotaryDim / 2]);
  return { cos: input("cos"), sin: input("sin"), rotaryDim, headDim };
}

/**
 * Rotates each head by its token's angles. The operator looks angles up by position; here row t of the tables belongs
 * to token t, so positions count up from 0.
 *
 * @param x [tokens, width]
 */
function rotate(
  segment: Segment,
  x: Value,
  width: number,
  angles: Angles & { readonly numHeads: number },
): Value {
  const { graph } = segment;
  const isPartial = angles.rotaryDim < angles.headDim;
  const batch = graph.node("Reshape", [x, graph.int64s([1, -1, width])]);
  const rotated = graph.node(
    "com.microsoft.RotaryEmbedding",
    [batch, graph.int64s([0]), angles.cos, angles.sin],
    isPartial ? { num_heads: angles.numHeads, rotary_embedding_dim: angles.rotaryDim } : {},
  );
  return graph.node("Reshape", [rotated, graph.int64s([-1, width])]);
}
