/**
 * Keys and values in pages as a graph meets them, in each form of src/kv/forms: what it is fed, how rows that it computes are
 * brought into the form, and how rows in it are read.
 *
 *     keys.N      float32, float16 or int8 [KV, pages, pageSize * D]
 *     keyScales.N float32 [KV, pages, pageSize], for int8 alone
 */
import type { KvDtype } from "../../kv/forms/kv-form.ts";
import type { GraphBuilder, Value } from "../onnx/graph-builder.ts";
import { DATA_TYPES, type DataType } from "../onnx/tensor-proto.ts";

/** Element types in pages. */
export const PAGE_TYPES = { f32: "float32", f16: "float16", int8: "int8" } as const satisfies Record<
  KvDtype,
  DataType
>;

/** Which half of a layer's pool. */
export type PoolHalf = "keys" | "values";

/** What the scales of each half are called. */
export const SCALES = { keys: "keyScales", values: "valueScales" } as const;

/** Rows in the form of pages. */
export interface StoredRows {
  /** [..., D] */
  readonly elements: Value;
  /** float32 [..., 1]; null in forms that have none. */
  readonly scales: Value | null;
}

/** The largest half float. */
const LARGEST_HALF = 65_504;
/** The largest magnitude of an 8-bit element. */
const LIMIT = 127;

/**
 * Brings rows into the form of the pages, to the bit what writing them there and reading them gives.
 *
 * @param rows float32 [..., D]
 */
export function storeRows(g: GraphBuilder, kvDtype: KvDtype, rows: Value): StoredRows {
  if (kvDtype === "f32") return { elements: rows, scales: null };
  if (kvDtype === "f16") {
    const bounded = g.node("Clip", [rows, g.float32(-LARGEST_HALF), g.float32(LARGEST_HALF)]);
    return { elements: g.node("Cast", [bounded], { to: DATA_TYPES.float16.code }), scales: null };
  }
  // As int8.ts: in double precision, ties to even, and a row of zeros stays one.
  const double = { to: DATA_TYPES.float64.code };
  const number = (value: number) => g.constant("float64", Float64Array.of(value));
  const magnitudes = g.node("Abs", [rows]);
  const largest = g.node(
    "Cast",
    [g.node("ReduceMax", [magnitudes, g.int64s([-1])], { keepdims: 1 })],
    double,
  );
  const scales = g.node("Cast", [g.node("Div", [largest, number(LIMIT)])], { to: DATA_TYPES.float32.code });
  const inverse = g.node("Div", [number(LIMIT), g.node("Max", [largest, number(Number.MIN_VALUE)])]);
  const whole = g.node("Round", [g.node("Mul", [g.node("Cast", [rows], double), inverse])]);
  return { elements: g.node("Cast", [whole], { to: DATA_TYPES.int8.code }), scales };
}

/** Numbers of stored elements, still to be multiplied with their scales where the form has some. */
export function readRows(g: GraphBuilder, kvDtype: KvDtype, elements: Value): Value {
  return kvDtype === "f32" ? elements : g.node("Cast", [elements], { to: DATA_TYPES.float32.code });
}
