/**
 * The forms that keys and values take in pages. A form knows how one row, the key or the value of one token in one head,
 * lies in memory; where rows lie, and whose they are, is decided elsewhere.
 */

/** Element types of pages: as computed, in half precision, or in 8 bits with a scale for each row. */
export const KV_DTYPES = ["f32", "f16", "int8"] as const;
/** One of {@link KV_DTYPES}. */
export type KvDtype = (typeof KV_DTYPES)[number];

/** What fixes the rows of one layer's keys or values. */
export interface KvRowShape {
  readonly numRows: number;
  /** Numbers in a row. */
  readonly headDim: number;
  /** No more rows are ever cleared at once. */
  readonly pageSize: number;
}

/** All rows of one layer's keys, or of its values, as views of shared memory. */
export interface KvRows {
  /** [numRows, headDim]; half floats as their bits */
  readonly data: Float32Array | Uint16Array | Int8Array;
  /** What each row's elements are to be multiplied with; null in forms that need none. [numRows] */
  readonly scales: Float32Array | null;
  /** Converts headDim numbers of `source`, from `start` on, into row `row`. What is not finite does not become finite. */
  write(row: number, source: Float32Array, start: number): void;
  /** Writes the numbers of consecutive rows to `target`, from `start` on. */
  read(firstRow: number, numRows: number, target: Float32Array | Float16Array, start: number): void;
  /** Makes rows read as zeros. */
  clear(firstRow: number, numRows: number): void;
  /** Copies rows that do not overlap. */
  copy(from: number, to: number, numRows: number): void;
}

/** One element type. */
export interface KvForm {
  /** Bytes of one row. */
  rowBytes(headDim: number): number;
  /** Views of rows that fill `buffer`. */
  open(buffer: SharedArrayBuffer, shape: KvRowShape): KvRows;
}
