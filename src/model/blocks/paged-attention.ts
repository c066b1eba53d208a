/**
 * Attention of one layer inside a graph, over pages that the graph is fed: each run gathers the pages of its sequences, writes the
 * keys and values that this very step computes into what it gathered, and attends. The pages themselves are written by the
 * runner once the graph has run, since graphs cannot write what they are fed.
 */
import type { KvDtype } from "../../kv/forms/kv-form.ts";
import type { AttentionSpec } from "../compiled-model.ts";
import type { GraphBuilder, Value, ValueType } from "../onnx/graph-builder.ts";
import type { AttentionInputs } from "./attention-input.ts";
import { type AttentionHeads, attend, type KeyRows } from "./attention-math.ts";
import { type RunInputs, type RunValues, takeRun } from "./attention-runs.ts";
import { PAGE_TYPES, type PoolHalf, readRows, SCALES, type StoredRows, storeRows } from "./page-forms.ts";

/** A layer's attention, and what surrounds it. */
export interface PagedLayer {
  /** Ends the names of its pools' inputs. */
  readonly index: number;
  readonly heads: AttentionHeads;
  readonly spec: AttentionSpec;
  readonly kvDtype: KvDtype;
  readonly runs: RunInputs;
  /** The first run, taken apart once for all layers. */
  readonly firstRun: RunValues;
}

interface Pool {
  readonly elements: Value;
  readonly scales: Value | null;
  /** What the step adds to it. [tokens, KV, D] */
  readonly added: StoredRows;
}

interface LayerValues {
  readonly q: Value;
  readonly keys: Pool;
  readonly values: Pool;
}

/** @returns att [tokens, numHeads * headDim] */
export function pagedAttention(g: GraphBuilder, layer: PagedLayer, { q, k, v }: AttentionInputs): Value {
  const { runs, firstRun, heads } = layer;
  const width = heads.numHeads * heads.headDim;
  const values = { q, keys: openPool(g, layer, "keys", k), values: openPool(g, layer, "values", v) };
  return g.conditional(
    runs.single,
    () => attendRun(g, layer, firstRun, values),
    () => {
      const none = g.float32s([0, width], []);
      return g.repeat(runs.numRuns, none, { dataType: "float32", dims: ["rows", width] }, (index, done) => {
        const run = takeRun(g, runs, index);
        const rows = g.node("Slice", [q, run.fields.firstQuery, run.fields.endQuery]);
        return g.node("Concat", [done, attendRun(g, layer, run, { ...values, q: rows }, true)], { axis: 0 });
      });
    },
  );
}

function openPool(g: GraphBuilder, { index, heads, kvDtype }: PagedLayer, half: PoolHalf, rows: Value): Pool {
  const { numKvHeads, headDim } = heads;
  const elements = g.input(`${half}.${index}`, PAGE_TYPES[kvDtype], [numKvHeads, "pages", "pageWidth"]);
  const scales =
    kvDtype === "int8"
      ? g.input(`${SCALES[half]}.${index}`, "float32", [numKvHeads, "pages", "pageSize"])
      : null;
  const byHead = g.node("Reshape", [rows, g.int64s([-1, numKvHeads, headDim])]);
  return { elements, scales, added: storeRows(g, kvDtype, byHead) };
}

/** @param isPart the run has some of the step's rows, not all in their order */
function attendRun(
  g: GraphBuilder,
  layer: PagedLayer,
  run: RunValues,
  { q, keys, values }: LayerValues,
  isPart = layer.heads.numKvHeads === 1,
): Value {
  const { heads, spec } = layer;
  const { fields, mask } = run;
  const perBatch = g.node("Reshape", [q, fields.queryDims]); // [B, S, KV, G, D]
  const byHead = g.node("Transpose", [perBatch], { perm: [2, 0, 1, 3, 4] });
  const mixed = attend(g, heads, spec, {
    queries: g.node("Reshape", [byHead, fields.productDims]),
    keys: gather(g, layer, run, keys, isPart),
    values: gather(g, layer, run, values, isPart),
    mask,
    scoreDims: fields.scoreDims,
  });
  const att = g.node("Transpose", [g.node("Reshape", [mixed, fields.mixedDims])], { perm: [1, 2, 0, 3, 4] });
  return g.node("Reshape", [att, g.int64s([-1, heads.numHeads * heads.headDim])]);
}

/** Rows [KV, T, 1, L, D], scales [KV, T, 1, 1, L]. */
function gather(
  g: GraphBuilder,
  { kvDtype, heads }: PagedLayer,
  { fields, scaleFields, table, newRows, places }: RunValues,
  { elements, scales, added }: Pool,
  isPart: boolean,
): KeyRows {
  const take = (rows: Value) => (isPart ? g.node("Gather", [rows, newRows], { axis: 0 }) : rows);
  const fill = (pool: Value, rows: Value, dims: Value, newDims: Value, type: ValueType): Value => {
    const pages = g.node("Gather", [pool, table], { axis: 1 });
    const gathered = g.shaped(g.node("Reshape", [pages, dims]), type);
    const byHead = g.node("Transpose", [take(rows)], { perm: [1, 0, 2] });
    return g.node("TensorScatter", [gathered, g.node("Reshape", [byHead, newDims]), places]);
  };
  const { keyDims, newKeyDims, headKeyDims } = fields;
  const type = { dataType: PAGE_TYPES[kvDtype], dims: ["tables", "keys", heads.headDim] };
  const stored = fill(elements, added.elements, keyDims, newKeyDims, type);
  const rows = readRows(g, kvDtype, g.node("Reshape", [stored, headKeyDims]));
  if (scales === null || scaleFields === null) return { rows, scales: null };
  const { scaleDims, newScaleDims, headScaleDims } = scaleFields;
  const scaleType = { dataType: "float32", dims: ["tables", "keys", 1] } as const;
  const storedScales = fill(scales, added.scales!, scaleDims, newScaleDims, scaleType);
  return { rows, scales: g.node("Reshape", [storedScales, headScaleDims]) };
}
