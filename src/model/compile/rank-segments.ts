/**
 * Cuts one rank's part of a decoder at its attention layers, and each layer again wherever the columns that the ranks
 * have computed come together: four segments a layer where one rank alone has one. What goes in and out of each is in
 * compiled-model.ts.
 */
import { embed } from "../blocks/embedding.ts";
import { linear } from "../blocks/linear.ts";
import { enterMlp, innerWidth, leaveMlp } from "../blocks/mlp-halves.ts";
import { addAndNormalize, normalize } from "../blocks/norm.ts";
import { type LayerDescription, type NormDescription, numOutputs } from "../decoder-description.ts";
import type { Value } from "../onnx/graph-builder.ts";
import type { LinearForm } from "../precisions/linear-form.ts";
import type { WeightStore } from "../safetensors/weight-store.ts";
import type { RankDecoder } from "../tensor-parallel/shard-decoder.ts";
import { Segment } from "./segment.ts";
import { enterLayer, leaveDecoder, type PartInput, postNorm, residual } from "./segment-parts.ts";

/**
 * @returns 4 * numLayers + 1 segments with all weights placed and none read
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
    buildOutput(begin(`output-${number}`), layer);
    buildUp(begin(`up-${number}`), decoder, layer);
    buildDown(begin(`down-${number}`), layer);
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

/** att of all heads → the rank's columns of what attention adds */
function buildOutput(segment: Segment, { output }: LayerDescription): void {
  const attended = segment.graph.input("att", "float32", ["tokens", output.inputs]);
  outputAdded(segment, linear(segment, attended, output), numOutputs(output));
}

/** what attention adds, x → xOut, and the rank's columns of what the MLP's second product takes */
function buildUp(segment: Segment, decoder: RankDecoder, layer: LayerDescription): void {
  const input = addToRows(segment, decoder, layer.attentionPostNorm, layer.mlpNorm);
  const xOut = residual(segment, layer, input);
  segment.graph.output("xOut", xOut, "float32", ["tokens", decoder.hiddenSize]);
  enterMlp(segment, input.normed, layer.mlp);
}

/** what the MLP's second product takes → the rank's columns of what the MLP adds */
function buildDown(segment: Segment, { mlp, output }: LayerDescription): void {
  outputAdded(segment, leaveMlp(segment, mlp), numOutputs(output));
}

/** what the MLP adds, x → what the next layer's attention takes */
function buildEntry(
  segment: Segment,
  decoder: RankDecoder,
  before: LayerDescription,
  after: LayerDescription,
): void {
  enterLayer(segment, decoder, after, addToRows(segment, decoder, before.mlpPostNorm, after.inputNorm));
}

/** what the last MLP adds, x → the rank's part of the logits */
function buildLast(segment: Segment, decoder: RankDecoder, before: LayerDescription): void {
  const { normed } = addToRows(segment, decoder, before.mlpPostNorm, decoder.finalNorm);
  leaveDecoder(segment, decoder, normed);
}

function outputAdded({ graph }: Segment, added: Value, width: number): void {
  graph.output("part.added", added, "float32", ["tokens", width]);
}

/** x with what was added to it, and its norm. */
function addToRows(
  segment: Segment,
  { hiddenSize }: RankDecoder,
  norm: NormDescription | null,
  nextNorm: NormDescription,
): PartInput {
  const dims = ["tokens", hiddenSize];
  const x = segment.graph.input("x", "float32", dims);
  const added = segment.graph.input("added", "float32", dims);
  return addAndNormalize(segment, x, postNorm(segment, added, norm), nextNorm);
}

/** Floats of a token, at most, that the ranks put together between two segments. */
export function gatheredWidth({ layers, hiddenSize }: RankDecoder): number {
  return Math.max(hiddenSize, ...layers.flatMap(({ output, mlp }) => [output.inputs, innerWidth(mlp)]));
}
