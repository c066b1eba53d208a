/** Attention of a whole graph: new keys and values behind the past ones, softmax of the masked scores, weighted sum. */
import type { AttentionInputs } from "../blocks/attention-input.ts";
import type { Segment } from "../compile/segment.ts";
import type { AttentionSpec } from "../compiled-model.ts";
import type { DecoderDescription } from "../decoder-description.ts";
import { float } from "../onnx/attribute-proto.ts";
import type { Dim, Value } from "../onnx/graph-builder.ts";
import type { AttentionMasks } from "./attention-masks.ts";

/** What one layer's attention is built from. */
export interface DenseAttentionInputs extends AttentionInputs {
  readonly masks: AttentionMasks;
  readonly place: {
    /** Of the layer. */
    readonly index: number;
    readonly numTokens: Dim;
    /** int64 [2] */
    readonly batchAndTokens: Value;
  };
}

/**
 * Declares the layer's past and present.
 *
 * @returns [batch * tokens, numHeads * headDim]
 */
export function attend(
  segment: Segment,
  decoder: DecoderDescription,
  spec: AttentionSpec,
  { q, k, v, masks, place }: DenseAttentionInputs,
): Value {
  const { graph } = segment;
  const { numHeads, numKvHeads: KV, headDim: D } = decoder;
  const G = numHeads / KV;
  const heads = (rows: Value, dims: readonly number[]): Value => {
    const shape = graph.node("Concat", [place.batchAndTokens, graph.int64s(dims)], { axis: 0 });
    return graph.node("Reshape", [rows, shape]);
  };
  const cached = (rows: Value, name: "key" | "value"): Value => {
    const dims = (length: string) => ["batch", KV, length, D];
    const past = graph.input(`past_key_values.${place.index}.${name}`, "float32", dims("past"));
    const own = graph.node("Transpose", [heads(rows, [KV, D])], { perm: [0, 2, 1, 3] });
    const all = graph.node("Concat", [past, own], { axis: 2 });
    graph.output(`present.${place.index}.${name}`, all, "float32", dims("past + tokens"));
    return all;
  };
  const keys = cached(k, "key"); // [batch, KV, length, D]
  const values = cached(v, "value");
  const grouped = graph.node("Transpose", [heads(q, [KV, G, D])], { perm: [0, 2, 3, 1, 4] }); // [batch, KV, G, tokens, D]
  const queries = graph.node("Reshape", [grouped, graph.int64s([0, 0, -1, D])]);
  const flat = graph.node("com.microsoft.FusedMatMul", [queries, keys], {
    transB: 1,
    alpha: float(spec.scale / (spec.softcap ?? 1)),
  }); // [batch, KV, G * tokens, length]
  const byHead = graph.node("Concat", [graph.int64s([0, 0, G, -1]), lengthOf(segment, flat)], { axis: 0 });
  const scores = graph.node("Reshape", [capped(segment, flat, spec), byHead]); // [batch, KV, G, tokens, length]
  const masked = graph.node("Add", [withAlibi(segment, scores, spec, masks, KV), masks.bias(spec.window)]);
  const weights = graph.node("Reshape", [
    graph.node("Softmax", [masked], { axis: -1 }),
    graph.node("Shape", [flat]),
  ]);
  const mixed = graph.node("MatMul", [weights, values]); // [batch, KV, G * tokens, D]
  const perHead = graph.node("Reshape", [mixed, graph.int64s([0, 0, G, -1, D])]);
  const perToken = graph.node("Transpose", [perHead], { perm: [0, 3, 1, 2, 4] });
  return graph.node("Reshape", [perToken, graph.int64s([-1, numHeads * D])]);
}

function lengthOf({ graph }: Segment, scores: Value): Value {
  return graph.node("Gather", [graph.node("Shape", [scores]), graph.int64s([3])], { axis: 0 });
}

function capped({ graph }: Segment, scores: Value, { softcap }: AttentionSpec): Value {
  if (softcap === null) return scores;
  return graph.node("Mul", [graph.node("Tanh", [scores]), graph.float32(softcap)]);
}

function withAlibi(
  { graph, scope }: Segment,
  scores: Value,
  { alibiSlopes }: AttentionSpec,
  masks: AttentionMasks,
  numKvHeads: number,
): Value {
  if (alibiSlopes === null) return scores;
  const dims = [1, numKvHeads, alibiSlopes.length / numKvHeads, 1, 1];
  const slopes = graph.initializer(`${scope}slopes`, "float32", dims, Float32Array.from(alibiSlopes));
  return graph.node("Add", [scores, graph.node("Mul", [slopes, masks.distances()])]);
}
