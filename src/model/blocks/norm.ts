/** Normalisation, alone or together with the residual addition before it. */
import type { Segment } from "../compile/segment.ts";
import { type NormDescription, wholeTensor } from "../decoder-description.ts";
import { float } from "../onnx/attribute-proto.ts";
import type { Value } from "../onnx/graph-builder.ts";

/** @param x [..., norm.size] */
export function normalize(segment: Segment, x: Value, norm: NormDescription): Value {
  return segment.graph.node("SimplifiedLayerNormalization", [x, weight(segment, norm)], {
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
  const [normed, , , sum] = segment.graph.multiNode(
    "com.microsoft.SkipSimplifiedLayerNormalization",
    [delta, x, weight(segment, norm)],
    ["normed", "", "", "sum"],
    { epsilon: float(norm.epsilon) },
  );
  return { normed: normed!, sum: sum! };
}

function weight(segment: Segment, norm: NormDescription): Value {
  return segment.vector(norm.tensor, [wholeTensor(norm.tensor, norm.size)]);
}
