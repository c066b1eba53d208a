/**
 * Cuts a decoder at its attention layers: first, a block for every layer but the last, last. What goes in and out of
 * each is in compiled-model.ts.
 */
import { attentionInput } from "../blocks/attention-input.ts";
import { embed } from "../blocks/embedding.ts";
import { linear } from "../blocks/linear.ts";
import { feedForward } from "../blocks/mlp.ts";
import { addAndNormalize, normalize } from "../blocks/norm.ts";
import type { DecoderDescription, LayerDescription, NormDescription } from "../decoder-description.ts";
import type { LinearForm } from "../precisions/linear-form.ts";
import type { WeightStore } from "../safetensors/weight-store.ts";
import { Segment } from "./segment.ts";

/**
 * @returns numLayers + 1 segments with all weights placed and none read
 * @throws TroupeError `invalid_model` when the checkpoint lacks a tensor or has one of another shape
 */
export function buildSegments(decoder: DecoderDescription, form: LinearForm, store: WeightStore): Segment[] {
  return Array.from({ length: decoder.layers.length + 1 }, (_, index) => {
    const before = decoder.layers[index - 1];
    const after = decoder.layers[index];
    const segment = new Segment(segmentName(index, decoder.layers.length), form, store);
    if (before === undefined) buildFirst(segment, decoder, after!);
    else if (after === undefined) buildLast(segment, decoder, before);
    else buildBlock(segment, decoder, before, after);
    return segment;
  });
}

function segmentName(index: number, numLayers: number): string {
  if (index === 0) return "first";
  return index === numLayers ? "last" : `block-${String(index).padStart(3, "0")}`;
}

function buildFirst(segment: Segment, decoder: DecoderDescription, layer: LayerDescription): void {
  const ids = segment.graph.input("ids", "int64", ["tokens"]);
  const x = embed(segment, ids, decoder);
  const normed = normalize(segment, x, layer.inputNorm);
  segment.graph.output("xOut", x, "float32", ["tokens", decoder.hiddenSize]);
  attentionInput(segment, normed, layer, decoder);
}

function buildBlock(
  segment: Segment,
  decoder: DecoderDescription,
  before: LayerDescription,
  after: LayerDescription,
): void {
  const { sum, normed } = finishLayer(segment, decoder, before, after.inputNorm);
  segment.graph.output("xOut", sum, "float32", ["tokens", decoder.hiddenSize]);
  attentionInput(segment, normed, after, decoder);
}

function buildLast(segment: Segment, decoder: DecoderDescription, before: LayerDescription): void {
  const { normed } = finishLayer(segment, decoder, before, decoder.finalNorm);
  const logits = linear(segment, normed, decoder.head);
  segment.graph.output("logits", logits, "float32", ["tokens", decoder.vocabSize]);
}

/** What follows attention in a layer, and the norm that comes next. */
function finishLayer(
  segment: Segment,
  { numHeads, headDim, hiddenSize }: DecoderDescription,
  layer: LayerDescription,
  nextNorm: NormDescription,
): { readonly sum: string; readonly normed: string } {
  const attended = segment.graph.input("att", "float32", ["tokens", numHeads * headDim]);
  const x = segment.graph.input("x", "float32", ["tokens", hiddenSize]);
  const attention = addAndNormalize(segment, x, linear(segment, attended, layer.output), layer.mlpNorm);
  return addAndNormalize(segment, attention.sum, feedForward(segment, attention.normed, layer.mlp), nextNorm);
}
