/** What the segments of one rank and those of one among several have in common. */
import { attentionInput } from "../blocks/attention-input.ts";
import { linear } from "../blocks/linear.ts";
import { feedForward } from "../blocks/mlp.ts";
import { addAndNormalize, normalize } from "../blocks/norm.ts";
import {
  type DecoderDescription,
  type LayerDescription,
  type NormDescription,
  numOutputs,
} from "../decoder-description.ts";
import type { Value } from "../onnx/graph-builder.ts";
import type { Segment } from "./segment.ts";

/** The hidden rows before a part of a layer. */
export interface PartInput {
  readonly sum: Value;
  readonly normed: Value;
}

/** Declares everything a segment hands on to the attention of `layer` and beyond it. */
export function enterLayer(
  segment: Segment,
  decoder: DecoderDescription,
  layer: LayerDescription,
  input: PartInput,
): void {
  const xOut = residual(segment, layer, input);
  segment.graph.output("xOut", xOut, "float32", ["tokens", decoder.hiddenSize]);
  attentionInput(segment, input.normed, layer, decoder);
}

/** What follows attention in a layer, and the norm that comes next. */
export function finishLayer(
  segment: Segment,
  layer: LayerDescription,
  { att, x }: { readonly att: Value; readonly x: Value },
  nextNorm: NormDescription,
): PartInput {
  const attention = postNorm(segment, linear(segment, att, layer.output), layer.attentionPostNorm);
  const middle = addAndNormalize(segment, x, attention, layer.mlpNorm);
  const mlp = postNorm(segment, feedForward(segment, middle.normed, layer.mlp), layer.mlpPostNorm);
  return addAndNormalize(segment, residual(segment, layer, middle), mlp, nextNorm);
}

/** Declares the logits, or a rank's part of them. */
export function leaveDecoder(segment: Segment, decoder: DecoderDescription, normed: Value): void {
  const logits = logitsOf(segment, decoder, normed);
  segment.graph.output("logits", logits, "float32", ["tokens", numOutputs(decoder.head)]);
}

/** @returns [tokens, outputs of the head] */
export function logitsOf(segment: Segment, { head, logitSoftcap }: DecoderDescription, normed: Value): Value {
  const product = linear(segment, normed, head);
  return logitSoftcap === null ? product : softcap(segment, product, logitSoftcap);
}

/** cap · tanh(x / cap). */
function softcap({ graph }: Segment, x: Value, cap: number): Value {
  const relative = graph.node("Tanh", [graph.node("Div", [x, graph.float32(cap)])]);
  return graph.node("Mul", [relative, graph.float32(cap)]);
}

/** What the output of the part that takes `input` is added to. */
export function residual({ graph }: Segment, layer: LayerDescription, { sum, normed }: PartInput): Value {
  if (layer.residual.kind === "input") return sum;
  return graph.node("Mul", [normed, graph.float32(layer.residual.scale)]);
}

/** The norm of a part's output, for layers that have one. */
export function postNorm(segment: Segment, output: Value, norm: NormDescription | null): Value {
  return norm === null ? output : normalize(segment, output, norm);
}
