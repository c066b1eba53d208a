/**
 * The pages of a pool as inputs of an attention graph: what the graph makes of each form, and what it is fed.
 *
 *     keys      float32, float16 or int8 [KV, pages, pageSize * D]
 *     keyScales float32 [KV, pages, pageSize], for int8 alone
 */
import type { KvDtype, KvRows } from "../kv/forms/kv-form.ts";
import type { KeyRows } from "../model/blocks/attention-math.ts";
import { PAGE_TYPES, type PoolHalf, readRows, SCALES } from "../model/blocks/page-forms.ts";
import type { GraphBuilder, Value } from "../model/onnx/graph-builder.ts";
import type { AttentionShape } from "./attention-graph.ts";
import { type Tensor, tensor } from "./onnx-runtime.ts";

/** Gathers pages through a block table [T, n] and makes float32 of them: rows [KV, T, L, D], scales [KV, T, 1, L]. */
export function gatherRows(
  g: GraphBuilder,
  { numKvHeads, pageSize, headDim }: AttentionShape,
  kvDtype: KvDtype,
  half: PoolHalf,
  table: Value,
): KeyRows {
  const pool = g.input(half, PAGE_TYPES[kvDtype], [numKvHeads, "pages", pageSize * headDim]);
  const pages = g.node("Gather", [pool, table], { axis: 1 }); // [KV, T, n, pageSize * D]
  const elements = g.node("Reshape", [pages, g.int64s([0, 0, -1, headDim])]);
  const rows = readRows(g, kvDtype, elements);
  if (kvDtype !== "int8") return { rows, scales: null };
  const scalePool = g.input(SCALES[half], "float32", [numKvHeads, "pages", pageSize]);
  const scalePages = g.node("Gather", [scalePool, table], { axis: 1 }); // [KV, T, n, pageSize]
  return { rows, scales: g.node("Reshape", [scalePages, g.int64s([0, 0, 1, -1])]) };
}

/**
 * The rows of a pool as feeds, in place.
 *
 * @param ending of their names
 */
export function pageFeeds(
  { numKvHeads, pageSize, headDim }: AttentionShape,
  kvDtype: KvDtype,
  half: PoolHalf,
  { data, scales }: KvRows,
  ending = "",
): Record<string, Tensor> {
  const numPages = data.length / (numKvHeads * pageSize * headDim);
  const elements = tensor(PAGE_TYPES[kvDtype], data, [numKvHeads, numPages, pageSize * headDim]);
  const feeds: Record<string, Tensor> = { [`${half}${ending}`]: elements };
  if (scales !== null)
    feeds[`${SCALES[half]}${ending}`] = tensor("float32", scales, [numKvHeads, numPages, pageSize]);
  return feeds;
}
