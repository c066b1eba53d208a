/** Normalisation, alone or together with the residual addition before it. */
import type { Segment } from "../compile/segment.ts";
import { type NormDescription, wholeTensor } from "../decoder-description.ts";
import { float } from "../onnx/attribute-proto.ts";
import type { Value } from "../onnx/graph-builder.ts";

/** @param x [..., norm.size] */
export function normalize(segment: Segment, x: Value, norm: NormDescription): Value {
  const op = { rms: "SimplifiedLayerNormalization", layer: "LayerNormalization" }[norm.kind];
  return segment.graph.node(op, [x, ...weights(segment, norm)], {
    axis: -1,
    epsilon: float(norm.epsilon),
    stash_type: 1,
  });
}

/** x + delta, and its norm, in one pass. */
export function addAndNormalize(
  segment: Segment,
  x: Value,
  delta: Value,
  norm: NormDescription,
): { readonly sum: Value; readonly normed: Value } {
  const op = { rms: "SkipSimplifiedLayerNormalization", layer: "SkipLayerNormalization" }[norm.kind];
  const [normed, , , sum] = segment.graph.multiNode(
    `com.microsoft.${op}`,
    [delta, x, ...weights(segment, norm)],
    ["normed", "", "", "sum"],
    { epsilon: float(norm.epsilon) },
  );
  return { normed: normed!, sum: sum! };
}

function weights(segment: Segment, norm: NormDescription): Value[] {
  const vector = (tensor: string, offset: number) =>
    segment.vector(tensor, [wholeTensor(tensor, norm.size)], offset);
  if (norm.kind === "rms") return [vector(norm.tensor, norm.unitOffset ? 1 : 0)];
  return [vector(norm.tensor, 0), vector(norm.bias, 0)];
}
