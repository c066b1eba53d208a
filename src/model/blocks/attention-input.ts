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
  const angles = layer.rotary === null ? null : ropeInputs(segment, layer.rotary, decoder);
  const finish = (value: Value, count: number, norm: NormDescription | null): Value => {
    const heads = norm === null ? value : normalizeHeads(segment, value, count, norm);
    return angles === null ? heads : rotate(segment, heads, count, angles);
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
  readonly pairs: RotaryDescription["pairs"];
}

function ropeInputs(
  segment: Segment,
  { rope, pairs }: RotaryDescription,
  { ropes, headDim }: DecoderDescription,
): Angles {
  const { rotaryDim } = ropes[rope]!;
  const input = (name: string) =>
    segment.graph.input(`${name}.${rope}`, "float32", ["tokens", rotaryDim / 2]);
  return { cos: input("cos"), sin: input("sin"), rotaryDim, headDim, pairs };
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
