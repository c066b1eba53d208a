/**
 * The pages of a pool as inputs of an attention graph: what the graph makes of each form, and what it is fed.
 *
 *     keys      float32, float16 or int8 [KV, pages, pageSize * D]
 *     keyScales float32 [KV, pages, pageSize], for int8 alone
 */
import type { KvDtype, KvRows } from "../kv/forms/kv-form.ts";
import type { GraphBuilder, Value } from "../model/onnx/graph-builder.ts";
import { DATA_TYPES } from "../model/onnx/tensor-proto.ts";
import type { AttentionShape } from "./attention-graph.ts";
import { type Tensor, tensor } from "./onnx-runtime.ts";

/** Keys or values of the sequences in a run. T and L as in attention-graph.ts. */
export interface GatheredRows {
  /** float32 [KV, T, L, D] */
  readonly rows: Value;
  /** What each row is still to be multiplied with; null for nothing. [KV, T, 1, L] */
  readonly scales: Value | null;
}

/** Which half of a pool. */
export type PoolHalf = "keys" | "values";

const ELEMENT_TYPES = { f32: "float32", f16: "float16", int8: "int8" } as const satisfies Record<
  KvDtype,
  string
>;
const SCALES = { keys: "keyScales", values: "valueScales" } as const;

/** Gathers pages through a block table [T, n] and makes float32 of them. */
export function gatherRows(
  g: GraphBuilder,
  { numKvHeads, pageSize, headDim }: AttentionShape,
  kvDtype: KvDtype,
  half: PoolHalf,
  table: Value,
): GatheredRows {
  const pool = g.input(half, ELEMENT_TYPES[kvDtype], [numKvHeads, "pages", pageSize * headDim]);
  const pages = g.node("Gather", [pool, table], { axis: 1 }); // [KV, T, n, pageSize * D]
  const elements = g.node("Reshape", [pages, g.int64s([0, 0, -1, headDim])]);
  const rows = kvDtype === "f32" ? elements : g.node("Cast", [elements], { to: DATA_TYPES.float32.code });
  if (kvDtype !== "int8") return { rows, scales: null };
  const scalePool = g.input(SCALES[half], "float32", [numKvHeads, "pages", pageSize]);
  const scalePages = g.node("Gather", [scalePool, table], { axis: 1 }); // [KV, T, n, pageSize]
  return { rows, scales: g.node("Reshape", [scalePages, g.int64s([0, 0, 1, -1])]) };
}

/** Feeds for {@link gatherRows}, in place. */
export function pageFeeds(
  { numKvHeads, pageSize, headDim }: AttentionShape,
  kvDtype: KvDtype,
  half: PoolHalf,
  { data, scales }: KvRows,
): Record<string, Tensor> {
  const numPages = data.length / (numKvHeads * pageSize * headDim);
  const elements = tensor(ELEMENT_TYPES[kvDtype], data, [numKvHeads, numPages, pageSize * headDim]);
  if (scales === null) return { [half]: elements };
  return { [half]: elements, [SCALES[half]]: tensor("float32", scales, [numKvHeads, numPages, pageSize]) };
}
