/** Moves a matrix that the checkpoint holds quantised already into a segment's data file: a copy, and nothing is rounded. */
import type { RowRange } from "../decoder-description.ts";
import type { RowWindow, StoredForm } from "../precisions/stored-form.ts";
import type { TensorSource } from "../safetensors/open-files.ts";
import type { DataFile } from "./data-file.ts";
import type { JobContext } from "./weight-job.ts";

/** Rows of a quantised matrix as a weight folder keeps them. */
export interface StoredSlab {
  /** [numRows, ...] */
  readonly values: Uint8Array;
  /** [numRows] or [numRows, numBlocks] */
  readonly scales: Float32Array;
  /** Among the stacked rows of all ranges. */
  readonly firstRow: number;
  readonly numRows: number;
  /** Room for as many values in another order. */
  readonly scratch: ArrayBuffer;
}

/** Writes a slab where it belongs. */
export type EncodeStored = (slab: StoredSlab, file: DataFile) => void;

/** A weight to write. */
export interface StoredJob {
  readonly kind: "stored";
  readonly ranges: readonly RowRange[];
  /** Of each range. */
  readonly sources: readonly Readonly<Record<keyof StoredForm, TensorSource>>[];
  /** The bytes of each row that are wanted. */
  readonly window: Readonly<Record<keyof StoredForm, RowWindow>>;
  readonly encode: EncodeStored;
}

const FLOAT_BYTES = 4;

/** Checkpoint bytes the job reads. */
export function storedJobBytes({ ranges, sources }: StoredJob): number {
  const bytesOf = ({ values, scales }: StoredJob["sources"][number], { numRows, tensorRows }: RowRange) =>
    ((values.numBytes + scales.numBytes) / tensorRows) * numRows;
  return ranges.reduce((sum, range, index) => sum + bytesOf(sources[index]!, range), 0);
}

/** Runs it to its end. */
export async function runStoredJob(job: StoredJob, context: JobContext): Promise<void> {
  let rangeStart = 0;
  for (const [index, range] of job.ranges.entries()) {
    await copyRange(range, job.sources[index]!, { ...job, rangeStart }, context);
    rangeStart += range.numRows;
  }
}

async function copyRange(
  range: RowRange,
  { values, scales }: StoredJob["sources"][number],
  { rangeStart, window, encode }: Pick<StoredJob, "window" | "encode"> & { readonly rangeStart: number },
  { buffers, file, onBytes }: JobContext,
): Promise<void> {
  const valueBytes = values.numBytes / range.tensorRows;
  const scaleBytes = scales.numBytes / range.tensorRows;
  const rowsPerSlab = Math.max(1, Math.floor(buffers.bytes.byteLength / (valueBytes + scaleBytes)));
  for (let start = 0; start < range.numRows; start += rowsPerSlab) {
    const numRows = Math.min(rowsPerSlab, range.numRows - start);
    const valueSlab = new Uint8Array(buffers.bytes, 0, numRows * valueBytes);
    const scaleSlab = new Uint8Array(buffers.values.buffer, 0, numRows * scaleBytes);
    await values.read((range.firstRow + start) * valueBytes, valueSlab);
    await scales.read((range.firstRow + start) * scaleBytes, scaleSlab);
    const slab = {
      values: cutRows(valueSlab, numRows, window.values),
      scales: floatsOf(cutRows(scaleSlab, numRows, window.scales)),
      firstRow: rangeStart + start,
      numRows,
      scratch: buffers.scratch,
    };
    encode(slab, file);
    onBytes(numRows * (valueBytes + scaleBytes));
  }
}

/** Rows without the bytes outside the window, in the same memory. */
function cutRows(rows: Uint8Array, numRows: number, { start, length }: RowWindow): Uint8Array {
  const width = rows.byteLength / numRows;
  if (length === width) return rows;
  for (let row = 0; row < numRows; row++) {
    const from = row * width + start;
    rows.copyWithin(row * length, from, from + length);
  }
  return rows.subarray(0, numRows * length);
}

function floatsOf({ buffer, byteOffset, byteLength }: Uint8Array): Float32Array {
  return new Float32Array(buffer, byteOffset, byteLength / FLOAT_BYTES);
}
