/**
 * The weight-free ONNX graph of paged attention: gathers each sequence's pages and attends (attention-math.ts says what
 * keeps the bits of a query's result free of everything around it).
 */
import type { KvDtype } from "../kv/forms/kv-form.ts";
import { type AttentionHeads, attend } from "../model/blocks/attention-math.ts";
import type { AttentionSpec } from "../model/compiled-model.ts";
import { GraphBuilder } from "../model/onnx/graph-builder.ts";
import { gatherRows } from "./page-inputs.ts";

/** The heads of one rank and the pages they lie in. */
export interface AttentionShape extends AttentionHeads {
  readonly pageSize: number;
}

/**
 * Builds the graph for one kind of attention. Symbols: T block tables, n pages each, L = n * pageSize keys; B batches of
 * S queries, with T = B (each batch its own table) or T = 1 (all share one); KV, G, D as usual with KV * G query heads.
 *
 *     q      float32 [B, S, KV, G, D]
 *     keys   pages of the pool, see page-inputs.ts     values likewise
 *     table  int32   [T, n]
 *     mask   float32 [B, S, 1, L]   see attention-math.ts
 *     scoreDims int64 [5]           KV, B, S, G, L
 *     att    float32 [B, S, KV, G, D]
 */
export function buildAttentionGraph(
  shape: AttentionShape,
  spec: Pick<AttentionSpec, "scale" | "softcap" | "alibiSlopes">,
  kvDtype: KvDtype,
): Uint8Array<ArrayBuffer> {
  const { numKvHeads: KV, headDim: D } = shape;
  const G = shape.numHeads / KV;
  const g = new GraphBuilder("attention");
  const q = g.input("q", "float32", ["B", "S", KV, G, D]);
  const table = g.input("table", "int32", ["T", "n"]);
  const keys = gatherRows(g, shape, kvDtype, "keys", table);
  const values = gatherRows(g, shape, kvDtype, "values", table);
  const mask = g.input("mask", "float32", ["B", "S", 1, "L"]);
  const scoreDims = g.input("scoreDims", "int64", [5]);

  const queries = g.node("Reshape", [
    g.node("Transpose", [q], { perm: [2, 0, 1, 3, 4] }),
    g.int64s([0, 0, -1, D]),
  ]);
  const mixed = attend(g, shape, spec, { queries, keys, values, mask, scoreDims }); // [KV, B, S*G, D]
  const perQuery = g.node("Reshape", [mixed, g.int64s([0, 0, -1, G, D])]); // [KV, B, S, G, D]
  const att = g.node("Transpose", [perQuery], { perm: [1, 2, 0, 3, 4] });
  g.output("att", att, "float32", ["B", "S", KV, G, D]);
  return g.build();
}
