/**
 * How a graph is told the runs of attention of a step (attention-plan.ts plans them): every run is a row of numbers, shapes
 * first, then where its share of the flat inputs begins and ends. One list for the graphs, which take it apart, and for the
 * runner, which fills it in.
 *
 * Symbols as in attention-math.ts; T tables of n pages; P = products of a head: B, or as many as keep a product on one thread,
 * each of X · Y rows; U rows of a table whose keys this step computes.
 */
import type { GraphBuilder, Value } from "../onnx/graph-builder.ts";

/** The numbers of a run, in order, and how many of each. */
export const RUN_FIELDS = {
  /** B, S, KV, G, D */
  queryDims: 5,
  /** KV, P, X, Y, D */
  productDims: 5,
  /** KV, B, S, G, L */
  scoreDims: 5,
  /** KV, B, S, G, D */
  mixedDims: 5,
  /** B, S, 1, L */
  maskDims: 4,
  /** T, n */
  tableDims: 2,
  /** KV * T, L, D */
  keyDims: 3,
  /** KV, T, 1, L, D */
  headKeyDims: 5,
  /** KV * T, L, 1 */
  scaleDims: 3,
  /** KV, T, 1, 1, L */
  headScaleDims: 5,
  /** KV * T, U, D */
  newKeyDims: 3,
  /** KV * T, U, 1 */
  newScaleDims: 3,
  /** Rows of the step that ask. */
  firstQuery: 1,
  endQuery: 1,
  /** Of `tables`. */
  firstPage: 1,
  endPage: 1,
  /** Of `masks`. */
  firstMask: 1,
  endMask: 1,
  /** Of `newRows`. */
  firstNewRow: 1,
  endNewRow: 1,
  /** Of `places`. */
  firstPlace: 1,
  endPlace: 1,
} as const;

/** A number or numbers of a run. */
export type RunField = keyof typeof RUN_FIELDS;

/** Numbers of a run. */
export const RUN_WIDTH = Object.values(RUN_FIELDS).reduce((sum: number, count) => sum + count, 0);

/** What all layers of one kind of attention are fed in a step. */
export interface RunInputs {
  /** int64 [runs, RUN_WIDTH] */
  readonly runs: Value;
  /** Whether there is one run alone. bool [1] */
  readonly single: Value;
  /** Pages of all runs. int32 [sum of T * n] */
  readonly tables: Value;
  /** float32 [sum of B * S * L] */
  readonly masks: Value;
  /** Which rows of the step are written into the gathered pages, table after table. int64 [sum of T * U] */
  readonly newRows: Value;
  /** Where in its keys each table's first new row goes, head after head. int64 [sum of KV * T] */
  readonly places: Value;
}

/** A run taken apart. */
export interface RunValues {
  readonly fields: Readonly<Record<RunField, Value>>;
  /** int32 [T, n] */
  readonly table: Value;
  readonly mask: Value;
  /** int64 [T * U] */
  readonly newRows: Value;
  /** int64 [KV * T] */
  readonly places: Value;
}

/** Declares the inputs of attention kind number `kind`. */
export function declareRunInputs(g: GraphBuilder, kind: number): RunInputs {
  return {
    runs: g.input(`runs.${kind}`, "int64", ["runs", RUN_WIDTH]),
    single: g.input(`single.${kind}`, "bool", [1]),
    tables: g.input(`tables.${kind}`, "int32", ["tables"]),
    masks: g.input(`masks.${kind}`, "float32", ["masks"]),
    newRows: g.input(`newRows.${kind}`, "int64", ["newRows"]),
    places: g.input(`places.${kind}`, "int64", ["places"]),
  };
}

/** @param index which run. int64 [] */
export function takeRun(g: GraphBuilder, inputs: RunInputs, index: Value): RunValues {
  const names = Object.keys(RUN_FIELDS) as RunField[];
  const row = g.node("Gather", [inputs.runs, index], { axis: 0 });
  const values = g.multiNode("Split", [row, g.int64s(Object.values(RUN_FIELDS))], names, { axis: 0 });
  const fields = Object.fromEntries(names.map((name, i) => [name, values[i]!])) as Record<RunField, Value>;
  const { firstPage, endPage, firstMask, endMask, firstNewRow, endNewRow, firstPlace, endPlace } = fields;
  const pages = g.node("Slice", [inputs.tables, firstPage, endPage]);
  const mask = g.node("Slice", [inputs.masks, firstMask, endMask]);
  return {
    fields,
    table: g.node("Reshape", [pages, fields.tableDims]),
    mask: g.node("Reshape", [mask, fields.maskDims]),
    newRows: g.node("Slice", [inputs.newRows, firstNewRow, endNewRow]),
    places: g.node("Slice", [inputs.places, firstPlace, endPlace]),
  };
}
