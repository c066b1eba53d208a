/**
 * A decoder as one graph, in the form that Hugging Face's exports have: everybody's programs feed it keys and values of
 * earlier tokens and get all of them back.
 *
 *     input_ids       int64   [batch, tokens]
 *     attention_mask  int64   [batch, past + tokens]     1 where a place holds something
 *     position_ids    int64   [batch, tokens]
 *     past_key_values.N.key, .value   float32 [batch, numKvHeads, past, headDim]
 *     logits          float32 [batch, tokens, vocabSize]
 *     present.N.key, .value           float32 [batch, numKvHeads, past + tokens, headDim]
 *
 * Rows are flat inside, [batch * tokens, ...], as in the segments that Troupe itself runs: the blocks are the same.
 */
import { TroupeError } from "../../errors/troupe-error.ts";
import { projectAttention } from "../blocks/attention-input.ts";
import { embedTokens } from "../blocks/embedding.ts";
import { normalize } from "../blocks/norm.ts";
import type { Segment } from "../compile/segment.ts";
import { finishLayer, logitsOf, residual } from "../compile/segment-parts.ts";
import { type DecoderDescription, numOutputs } from "../decoder-description.ts";
import type { Dim, Value } from "../onnx/graph-builder.ts";
import { attentionFactor, inverseFrequencies } from "../rope.ts";
import { AttentionMasks } from "./attention-masks.ts";
import { attend } from "./dense-attention.ts";

/** What a graph is built for. */
export interface WholeDecoderOptions {
  /** 1 for a graph that takes one token of each sequence; any number when absent. */
  readonly tokens?: 1;
  /** The longest sequence; scaled ropes fit their angles to it. */
  readonly maxPositions: number;
}

const FLOAT = 1;

/**
 * Builds the decoder into `segment`, whose weights are placed and not read.
 *
 * @throws TroupeError `unsupported` for a model that reads its prompt in both directions, `invalid_model`
 */
export function buildWholeDecoder(
  segment: Segment,
  decoder: DecoderDescription,
  { tokens, maxPositions }: WholeDecoderOptions,
): void {
  if (decoder.prefixAttention !== null)
    throw new TroupeError(
      "unsupported",
      "The model attends to its prompt in both directions, which graphs with past keys and values cannot say; it cannot be exported.",
    );
  const { graph } = segment;
  const numTokens: Dim = tokens ?? "tokens";
  const ids = graph.input("input_ids", "int64", ["batch", numTokens]);
  const attentionMask = graph.input("attention_mask", "int64", ["batch", "past + tokens"]);
  const positionIds = graph.input("position_ids", "int64", ["batch", numTokens]);
  const rows = graph.int64s([-1]);
  const positions = graph.node("Reshape", [positionIds, rows]);
  const masks = new AttentionMasks(graph, { attentionMask, positionIds });
  const angles = ropeAngles(segment, decoder, positions, maxPositions);
  const batchAndTokens = graph.node("Shape", [ids]);
  let x = embedTokens(segment, decoder, graph.node("Reshape", [ids, rows]), () => positions);
  let normed = normalize(segment, x, decoder.layers[0]!.inputNorm);
  for (const [index, layer] of decoder.layers.entries()) {
    segment.scope = `layers.${index}.`;
    const base = residual(segment, layer, { sum: x, normed });
    const inputs = projectAttention(segment, normed, layer, decoder, angles);
    const place = { index, numTokens, batchAndTokens };
    const att = attend(segment, decoder, layer.attention, { ...inputs, masks, place });
    const next = decoder.layers[index + 1]?.inputNorm ?? decoder.finalNorm;
    ({ sum: x, normed } = finishLayer(segment, layer, { att, x: base }, next));
  }
  segment.scope = "";
  const vocabSize = numOutputs(decoder.head);
  const flat = logitsOf(segment, decoder, normed);
  const dims = graph.node("Concat", [batchAndTokens, graph.int64s([vocabSize])], { axis: 0 });
  graph.output("logits", graph.node("Reshape", [flat, dims]), "float32", ["batch", numTokens, vocabSize]);
}

/** Cosines and sines of each rope for every token, made when first asked for. */
function ropeAngles(
  segment: Segment,
  { ropes }: DecoderDescription,
  positions: Value,
  maxPositions: number,
): (rope: number, name: "cos" | "sin") => Value {
  const { graph } = segment;
  const made = new Map<string, Value>();
  const column = graph.node("Reshape", [
    graph.node("Cast", [positions], { to: FLOAT }),
    graph.int64s([-1, 1]),
  ]);
  return (rope, name) => {
    const known = made.get(`${name}.${rope}`);
    if (known !== undefined) return known;
    const spec = ropes[rope]!;
    const frequencies = inverseFrequencies(spec, maxPositions);
    const row = graph.initializer(
      `${name}.${rope}.frequencies`,
      "float32",
      [1, frequencies.length],
      frequencies,
    );
    const angle = graph.node("Mul", [column, row]);
    const unit = graph.node(name === "cos" ? "Cos" : "Sin", [angle]);
    const factor = attentionFactor(spec);
    const scaled = factor === 1 ? unit : graph.node("Mul", [unit, graph.float32(factor)]);
    made.set(`${name}.${rope}`, scaled);
    return scaled;
  };
}
