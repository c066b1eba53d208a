/**
 * Cuts a decoder at its attention layers: first, a block for every layer but the last, last. What goes in and out of
 * each is in compiled-model.ts.
 */
import { embed } from "../blocks/embedding.ts";
import { normalize } from "../blocks/norm.ts";
import type { DecoderDescription, LayerDescription, NormDescription } from "../decoder-description.ts";
import type { LinearForm } from "../precisions/linear-form.ts";
import type { WeightStore } from "../safetensors/weight-store.ts";
import { Segment } from "./segment.ts";
import { enterLayer, finishLayer, leaveDecoder, type PartInput } from "./segment-parts.ts";

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
  const x = embed(segment, decoder);
  const normed = normalize(segment, x, layer.inputNorm);
  enterLayer(segment, decoder, layer, { sum: x, normed });
}

function buildBlock(
  segment: Segment,
  decoder: DecoderDescription,
  before: LayerDescription,
  after: LayerDescription,
): void {
  enterLayer(segment, decoder, after, fromAttention(segment, decoder, before, after.inputNorm));
}

function buildLast(segment: Segment, decoder: DecoderDescription, before: LayerDescription): void {
  const { normed } = fromAttention(segment, decoder, before, decoder.finalNorm);
  leaveDecoder(segment, decoder, normed);
}

/** What follows the attention of a layer, from the segment's inputs att and x. */
function fromAttention(
  segment: Segment,
  { numHeads, headDim, hiddenSize }: DecoderDescription,
  layer: LayerDescription,
  nextNorm: NormDescription,
): PartInput {
  const att = segment.graph.input("att", "float32", ["tokens", numHeads * headDim]);
  const x = segment.graph.input("x", "float32", ["tokens", hiddenSize]);
  return finishLayer(segment, layer, { att, x }, nextNorm);
}
