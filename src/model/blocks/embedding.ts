/** Token ids to hidden rows. The table stays in the checkpoint's element type: a row is widened when it is read. */
import type { Segment } from "../compile/segment.ts";
import type { DecoderDescription } from "../decoder-description.ts";
import type { Value } from "../onnx/graph-builder.ts";

const FLOAT = 1;

/**
 * @param ids int64 [tokens]
 * @returns [tokens, hiddenSize]
 */
export function embed(segment: Segment, ids: Value, decoder: DecoderDescription): Value {
  const table = segment.table("embedding", decoder.embedding, [decoder.vocabSize, decoder.hiddenSize]);
  const rows = segment.graph.node("Gather", [table, ids], { axis: 0 });
  return segment.graph.node("Cast", [rows], { to: FLOAT });
}
