/** The elementwise functions of feed-forward parts. */
import type { Segment } from "../compile/segment.ts";
import type { Activation } from "../mlp-description.ts";
import { float } from "../onnx/attribute-proto.ts";
import type { Value } from "../onnx/graph-builder.ts";

/** @returns of x's shape */
export function activate(segment: Segment, x: Value, activation: Activation): Value {
  switch (activation) {
    case "silu": // x · sigmoid(alpha · x) with alpha 1, in one node
      return segment.graph.node("com.microsoft.QuickGelu", [x], { alpha: float(1) });
    case "gelu":
      return segment.graph.node("Gelu", [x], { approximate: "none" });
    case "gelu-tanh":
      return segment.graph.node("Gelu", [x], { approximate: "tanh" });
  }
}
