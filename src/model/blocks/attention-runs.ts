/**
 * How a graph is told the runs of attention of a step (attention-plan.ts plans them): the shapes of every run, and lists of which
 * each run has the next so many elements. One table of names for the graphs, which take a run out of them, and for the runner,
 * which fills them in.
 *
 * Symbols as in attention-math.ts; T tables of n pages; P = products of a head: B, or as many as keep a product on one thread,
 * each of X · Y rows; U rows of a table whose keys this step computes.
 */
import type { GraphBuilder, Value } from "../onnx/graph-builder.ts";

/** The numbers of a run, and how many of each; inputs NAME.K of kind K. int64 [runs, count] */
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
  /** KV * T, U, D */
  newKeyDims: 3,
  /** The rows of the step that ask. */
  firstQuery: 1,
  endQuery: 1,
} as const;

/** More of them, for pages that have scales. */
export const SCALE_FIELDS = {
  /** KV * T, L, 1 */
  scaleDims: 3,
  /** KV, T, 1, 1, L */
  headScaleDims: 5,
  /** KV * T, U, 1 */
  newScaleDims: 3,
} as const;

/** Lists that runs share out, inputs NAME.K; how much each run has, NAMELengths.K, is int64 [runs]. */
export const RUN_LISTS = {
  /** Pages. [T * n of each run] */
  tables: "int32",
  /** [B * S * L of each run] */
  masks: "float32",
  /** Which rows of the step are written into the gathered pages, table after table. [T * U of each run] */
  newRows: "int64",
  /** Where in its keys each table's first new row goes, head after head. [KV * T of each run] */
  places: "int64",
} as const;

/** A number or numbers of a run. */
export type RunField = keyof typeof RUN_FIELDS;
/** The same of pages with scales. */
export type ScaleField = keyof typeof SCALE_FIELDS;
/** What runs share out. */
export type RunList = keyof typeof RUN_LISTS;

/** What all layers of one kind of attention are fed in a step. */
export interface RunInputs {
  /** Whether there is one run alone. bool [1] */
  readonly single: Value;
  /** int64 [1] */
  readonly numRuns: Value;
  readonly fields: Readonly<Record<RunField, Value>>;
  /** Null for pages without scales. */
  readonly scaleFields: Readonly<Record<ScaleField, Value>> | null;
  /** Sequences, a tensor for each run. */
  readonly lists: Readonly<Record<RunList, Value>>;
}

/** One run. */
export interface RunValues {
  readonly fields: Readonly<Record<RunField, Value>>;
  readonly scaleFields: Readonly<Record<ScaleField, Value>> | null;
  /** int32 [T, n] */
  readonly table: Value;
  /** float32 [B, S, 1, L] */
  readonly mask: Value;
  /** int64 [T * U] */
  readonly newRows: Value;
  /** int64 [KV * T] */
  readonly places: Value;
}

/** Declares the inputs of attention kind number `kind`. */
export function declareRunInputs(
  g: GraphBuilder,
  kind: number,
  { hasScales }: { hasScales: boolean },
): RunInputs {
  const field = (name: string, count: number) => g.input(`${name}.${kind}`, "int64", ["runs", count]);
  const single = g.input(`single.${kind}`, "bool", [1]);
  const fields = mapRecord(RUN_FIELDS, field);
  return {
    single,
    numRuns: g.node("Shape", [fields.queryDims], { start: 0, end: 1 }),
    fields,
    scaleFields: hasScales ? mapRecord(SCALE_FIELDS, field) : null,
    lists: mapRecord(RUN_LISTS, (name, dataType) => {
      const list = g.input(`${name}.${kind}`, dataType, [name]);
      return g.node("SplitToSequence", [list, g.input(`${name}Lengths.${kind}`, "int64", ["runs"])]);
    }),
  };
}

/** @param index which run. int64 [] */
export function takeRun(g: GraphBuilder, { fields, scaleFields, lists }: RunInputs, index: Value): RunValues {
  const row = (_name: string, values: Value) => g.node("Gather", [values, index]);
  const share = (name: RunList) => g.node("SequenceAt", [lists[name], index]);
  const own = mapRecord(fields, row);
  return {
    fields: own,
    scaleFields: scaleFields === null ? null : mapRecord(scaleFields, row),
    table: g.node("Reshape", [share("tables"), own.tableDims]),
    mask: g.node("Reshape", [share("masks"), own.maskDims]),
    newRows: share("newRows"),
    places: share("places"),
  };
}

function mapRecord<T extends object, R>(
  record: T,
  map: (name: keyof T & string, value: T[keyof T & string]) => R,
): Record<keyof T & string, R> {
  const names = Object.keys(record) as (keyof T & string)[];
  return Object.fromEntries(names.map((name) => [name, map(name, record[name])])) as Record<
    keyof T & string,
    R
  >;
}
