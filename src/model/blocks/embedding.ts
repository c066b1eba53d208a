/** Token ids to hidden rows. Tables stay in the checkpoint's element type: a row is widened when it is read. */
import type { Segment } from "../compile/segment.ts";
import type { DecoderDescription } from "../decoder-description.ts";
import type { Value } from "../onnx/graph-builder.ts";
import { normalize } from "./norm.ts";

const FLOAT = 1;

/**
 * Declares the segment's inputs ids and, for learned positions, positions.
 *
 * @returns [tokens, hiddenSize]
 */
export function embed(segment: Segment, decoder: DecoderDescription): Value {
  const { graph } = segment;
  const { embedding, hiddenSize, vocabSize, maxPositions } = decoder;
  const ids = graph.input("ids", "int64", ["tokens"]);
  let x = lookUp(segment, "embedding", embedding.tensor, [vocabSize, hiddenSize], ids);
  if (embedding.scale !== 1) x = graph.node("Mul", [x, graph.float32(embedding.scale)]);
  if (embedding.positions !== null) {
    const positions = graph.input("positions", "int32", ["tokens"]);
    const shape = [maxPositions, hiddenSize] as const;
    x = graph.node("Add", [x, lookUp(segment, "positionEmbedding", embedding.positions, shape, positions)]);
  }
  return embedding.norm === null ? x : normalize(segment, x, embedding.norm);
}

function lookUp(
  segment: Segment,
  name: string,
  tensor: string,
  shape: readonly [number, number],
  indices: Value,
): Value {
  const rows = segment.graph.node("Gather", [segment.table(name, tensor, shape), indices], { axis: 0 });
  return segment.graph.node("Cast", [rows], { to: FLOAT });
}
