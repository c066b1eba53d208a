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
  const ids = segment.graph.input("ids", "int64", ["tokens"]);
  return embedTokens(segment, decoder, ids, () => segment.graph.input("positions", "int32", ["tokens"]));
}

/**
 * @param ids int64 [tokens]
 * @param positions makes int32 or int64 [tokens]; called for models that learned them
 * @returns [tokens, hiddenSize]
 */
export function embedTokens(
  segment: Segment,
  decoder: DecoderDescription,
  ids: Value,
  positions: () => Value,
): Value {
  const { graph } = segment;
  const { embedding, hiddenSize, vocabSize, maxPositions } = decoder;
  let x = lookUp(segment, "embedding", embedding.tensor, [vocabSize, hiddenSize], ids);
  if (embedding.scale !== 1) x = graph.node("Mul", [x, graph.float32(embedding.scale)]);
  if (embedding.positions !== null) {
    const shape = [maxPositions, hiddenSize] as const;
    x = graph.node("Add", [x, lookUp(segment, "positionEmbedding", embedding.positions, shape, positions())]);
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
