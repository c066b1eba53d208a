/** Moves a matrix that the checkpoint holds quantised already into a segment's data file: a copy, and nothing is rounded. */
import type { RowRange } from "../decoder-description.ts";
import type { StoredForm } from "../precisions/stored-form.ts";
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
    await copyRange(range, job.sources[index]!, { encode: job.encode, rangeStart }, context);
    rangeStart += range.numRows;
  }
}

async function copyRange(
  range: RowRange,
  { values, scales }: StoredJob["sources"][number],
  { rangeStart, encode }: Pick<StoredJob, "encode"> & { readonly rangeStart: number },
  { buffers, file, onBytes }: JobContext,
): Promise<void> {
  const valueBytes = values.numBytes / range.tensorRows;
  const scaleBytes = scales.numBytes / range.tensorRows;
  const rowsPerSlab = Math.max(1, Math.floor(buffers.bytes.byteLength / (valueBytes + scaleBytes)));
  for (let start = 0; start < range.numRows; start += rowsPerSlab) {
    const numRows = Math.min(rowsPerSlab, range.numRows - start);
    const slab = {
      values: new Uint8Array(buffers.bytes, 0, numRows * valueBytes),
      scales: buffers.values.subarray(0, (numRows * scaleBytes) / FLOAT_BYTES),
      firstRow: rangeStart + start,
      numRows,
      scratch: buffers.scratch,
    };
    await values.read((range.firstRow + start) * valueBytes, slab.values);
    const { buffer, byteOffset, byteLength } = slab.scales;
    const scaleSlab = new Uint8Array(buffer, byteOffset, byteLength);
    await scales.read((range.firstRow + start) * scaleBytes, scaleSlab);
    encode(slab, file);
    onBytes(numRows * (valueBytes + scaleBytes));
  }
}
