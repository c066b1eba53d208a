/** Rows of a pool as the numbers they stand for. */
import type { KvRows } from "../../src/kv/forms/kv-form.ts";

/** The value of half-precision bits, by the definition of the format. */
export function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** Elements of `numRows` rows, multiplied with their scales. */
export function readRows(rows: KvRows, headDim: number, firstRow: number, numRows: number): Float64Array {
  const { data, scales } = rows;
  return Float64Array.from({ length: numRows * headDim }, (_, i) => {
    const element = data[firstRow * headDim + i]!;
    const value = data instanceof Uint16Array ? halfValue(element) : element;
    return value * (scales?.[firstRow + Math.floor(i / headDim)] ?? 1);
  });
}
