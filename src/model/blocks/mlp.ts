/** The feed-forward part of a layer. */
import type { Segment } from "../compile/segment.ts";
import { numOutputs } from "../decoder-description.ts";
import type { GatedMlpDescription, MlpDescription, PlainMlpDescription } from "../mlp-description.ts";
import type { Value } from "../onnx/graph-builder.ts";
import { activate } from "./activation.ts";
import { linear } from "./linear.ts";
import { mixture } from "./mixture.ts";

/**
 * @param x [tokens, hiddenSize]
 * @returns of the same shape
 */
export function feedForward(segment: Segment, x: Value, mlp: MlpDescription): Value {
  switch (mlp.kind) {
    case "gated":
      return gatedMlp(segment, x, mlp);
    case "plain":
      return plainMlp(segment, x, mlp);
    case "mixture":
      return mixture(segment, x, mlp, gatedMlp);
  }
}

function gatedMlp(segment: Segment, x: Value, mlp: GatedMlpDescription): Value {
  return linear(segment, gatedInner(segment, x, mlp), mlp.down);
}

function plainMlp(segment: Segment, x: Value, mlp: PlainMlpDescription): Value {
  return linear(segment, plainInner(segment, x, mlp), mlp.down);
}

/** What the second product takes. @returns [tokens, intermediateSize] */
export function gatedInner(segment: Segment, x: Value, { gateUp, activation }: GatedMlpDescription): Value {
  const { graph } = segment;
  const half = numOutputs(gateUp) / 2;
  const packed = linear(segment, x, gateUp); // [tokens, 2 * intermediateSize]
  const [gate, up] = graph.multiNode("Split", [packed, graph.int64s([half, half])], ["gate", "up"], {
    axis: -1,
  });
  return graph.node("Mul", [activate(segment, gate!, activation), up!]);
}

/** As {@link gatedInner}. */
export function plainInner(segment: Segment, x: Value, { up, activation }: PlainMlpDescription): Value {
  return activate(segment, linear(segment, x, up), activation);
}
