/**
 * Cuts one rank's part of a decoder at its attention layers, and each layer again where the partial sums of all ranks are
 * added up: three segments a layer where one rank alone has one. What goes in and out of each is in compiled-model.ts.
 */
import { embed } from "../blocks/embedding.ts";
import { linear } from "../blocks/linear.ts";
import { feedForward } from "../blocks/mlp.ts";
import { addAndNormalize, normalize } from "../blocks/norm.ts";
import type { LayerDescription, NormDescription } from "../decoder-description.ts";
import type { Value } from "../onnx/graph-builder.ts";
import type { LinearForm } from "../precisions/linear-form.ts";
import type { WeightStore } from "../safetensors/weight-store.ts";
import type { RankDecoder } from "../tensor-parallel/shard-decoder.ts";
import { Segment } from "./segment.ts";
import { enterLayer, leaveDecoder, type PartInput, postNorm, residual } from "./segment-parts.ts";

/**
 * @returns 3 * numLayers + 1 segments with all weights placed and none read
 * @throws TroupeError `invalid_model` when the checkpoint lacks a tensor or has one of another shape
 */
export function buildRankSegments(decoder: RankDecoder, form: LinearForm, store: WeightStore): Segment[] {
  const segments: Segment[] = [];
  const begin = (name: string): Segment => {
    const segment = new Segment(name, form, store);
    segments.push(segment);
    return segment;
  };
  const { layers } = decoder;
  buildFirst(begin("first"), decoder);
  for (const [index, layer] of layers.entries()) {
    const number = String(index).padStart(3, "0");
    buildOutput(begin(`output-${number}`), decoder, layer);
    buildMlp(begin(`mlp-${number}`), decoder, layer);
    const next = layers[index + 1];
    if (next === undefined) buildLast(begin("last"), decoder, layer);
    else buildEntry(begin(`entry-${String(index + 1).padStart(3, "0")}`), decoder, layer, next);
  }
  return segments;
}

function buildFirst(segment: Segment, decoder: RankDecoder): void {
  const layer = decoder.layers[0]!;
  const x = embed(segment, decoder);
  enterLayer(segment, decoder, layer, { sum: x, normed: normalize(segment, x, layer.inputNorm) });
}

/** att → partial */
function buildOutput(segment: Segment, decoder: RankDecoder, layer: LayerDescription): void {
  const attended = segment.graph.input("att", "float32", ["tokens", decoder.numHeads * decoder.headDim]);
  partialOutput(segment, decoder, linear(segment, attended, layer.output));
}

/** partial sums of the attention's output, x → xOut, partial */
function buildMlp(segment: Segment, decoder: RankDecoder, layer: LayerDescription): void {
  const input = addPartials(segment, decoder, layer.attentionPostNorm, layer.mlpNorm);
  const xOut = residual(segment, layer, input);
  segment.graph.output("xOut", xOut, "float32", ["tokens", decoder.hiddenSize]);
  partialOutput(segment, decoder, feedForward(segment, input.normed, layer.mlp));
}

/** partial sums of the MLP, x → what the next layer's attention takes */
function buildEntry(
  segment: Segment,
  decoder: RankDecoder,
  before: LayerDescription,
  after: LayerDescription,
): void {
  const input = addPartials(segment, decoder, before.mlpPostNorm, after.inputNorm);
  enterLayer(segment, decoder, after, input);
}

/** partial sums of the last MLP, x → the rank's part of the logits */
function buildLast(segment: Segment, decoder: RankDecoder, before: LayerDescription): void {
  const { normed } = addPartials(segment, decoder, before.mlpPostNorm, decoder.finalNorm);
  leaveDecoder(segment, decoder, normed);
}

function partialOutput({ graph }: Segment, { hiddenSize }: RankDecoder, partial: Value): void {
  graph.output("partial", partial, "float32", ["tokens", hiddenSize]);
}

/** x and the sum of all ranks' parts, added in the order of ranks: the same bits on each. */
function addPartials(
  segment: Segment,
  { hiddenSize, place }: RankDecoder,
  norm: NormDescription | null,
  nextNorm: NormDescription,
): PartInput {
  const { graph } = segment;
  const dims = ["tokens", hiddenSize];
  const x = graph.input("x", "float32", dims);
  const partials = Array.from({ length: place.size }, (_, rank) =>
    graph.input(`partial.${rank}`, "float32", dims),
  );
  const total = partials.reduce((sum, partial) => graph.node("Add", [sum, partial]));
  return addAndNormalize(segment, x, postNorm(segment, total, norm), nextNorm);
}
