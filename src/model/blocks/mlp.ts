/** The feed-forward part of a layer. */
import type { Segment } from "../compile/segment.ts";
import { type MlpDescription, numOutputs } from "../decoder-description.ts";
import { float } from "../onnx/attribute-proto.ts";
import type { Value } from "../onnx/graph-builder.ts";
import { linear } from "./linear.ts";

/** @param x [tokens, hiddenSize] */
export function feedForward(segment: Segment, x: Value, mlp: MlpDescription): Value {
  const { graph } = segment;
  const half = numOutputs(mlp.gateUp) / 2;
  const packed = linear(segment, x, mlp.gateUp); // [tokens, 2 * intermediateSize]
  const [gate, up] = graph.multiNode("Split", [packed, graph.int64s([half, half])], ["gate", "up"], {
    axis: -1,
  });
  // x · sigmoid(alpha · x) with alpha 1 is SiLU, in one node.
  const activated = graph.node("com.microsoft.QuickGelu", [gate!], { alpha: float(1) });
  return linear(segment, graph.node("Mul", [activated, up!]), mlp.down);
}
