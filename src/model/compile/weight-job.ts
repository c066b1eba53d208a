/**
 * Moves weights from a checkpoint into a segment's data file, a slab of rows at a time: memory is bounded by the slab,
 * whatever the size of the tensor.
 */
import { invariant, TroupeError } from "../../errors/troupe-error.ts";
import type { RowRange } from "../decoder-description.ts";
import { ELEMENT_BYTES, widen } from "../safetensors/element-types.ts";
import type { StoredTensor, WeightStore } from "../safetensors/weight-store.ts";
import type { DataFile } from "./data-file.ts";
import { runStoredJob, type StoredJob, storedJobBytes } from "./stored-job.ts";

/** Rows of a matrix, widened. */
export interface Slab {
  /** [numRows, columns] */
  readonly values: Float32Array;
  readonly firstRow: number;
  readonly numRows: number;
  /** Room for the encoded form of all rows, as long as it takes no more than float32. */
  readonly scratch: ArrayBuffer;
}

/** Encodes a slab and writes it where it belongs. */
export type EncodeSlab = (slab: Slab, file: DataFile) => void;

/** A weight to write. */
export type WeightJob =
  | {
      /** Rows stacked from ranges, widened to float32 and encoded; columns is null for vectors. */
      readonly kind: "encode";
      readonly ranges: readonly RowRange[];
      readonly columns: number | null;
      readonly encode: EncodeSlab;
    }
  | StoredJob
  | {
      /** A tensor's bytes as they are. */
      readonly kind: "copy";
      readonly tensor: StoredTensor;
      readonly position: number;
    };

/** Elements in a slab: 16 MiB as float32. */
export const SLAB_ELEMENTS = 4 * 1024 * 1024;

/** The buffers that all jobs of a compilation share. */
export interface SlabBuffers {
  readonly bytes: ArrayBuffer;
  readonly values: Float32Array;
  readonly scratch: ArrayBuffer;
}

/** Pages of them that are never touched never take memory. */
export function createSlabBuffers(): SlabBuffers {
  return {
    bytes: new ArrayBuffer(4 * SLAB_ELEMENTS),
    values: new Float32Array(SLAB_ELEMENTS),
    scratch: new ArrayBuffer(4 * SLAB_ELEMENTS),
  };
}

/** What a job works with. */
export interface JobContext {
  readonly store: WeightStore;
  readonly file: DataFile;
  readonly buffers: SlabBuffers;
  /** Called after each slab with the checkpoint bytes it took; throws to stop. */
  onBytes(numBytes: number): void;
}

/** Shape of the whole tensor that a range is taken from. */
export function tensorShape(range: RowRange, columns: number | null): number[] {
  return columns === null ? [range.tensorRows] : [range.tensorRows, columns];
}

/** Checkpoint bytes a job reads. */
export function jobBytes(job: WeightJob, store: WeightStore): number {
  if (job.kind === "copy") return job.tensor.numBytes;
  if (job.kind === "stored") return storedJobBytes(job);
  const bytesOf = (range: RowRange) => {
    const tensor = store.tensor(range.tensor, tensorShape(range, job.columns));
    return (tensor.numBytes / range.tensorRows) * range.numRows;
  };
  return job.ranges.reduce((sum, range) => sum + bytesOf(range), 0);
}

/** Runs one job to its end. */
export async function runJob(job: WeightJob, context: JobContext): Promise<void> {
  if (job.kind === "copy") return copyTensor(job.tensor, job.position, context);
  if (job.kind === "stored") return runStoredJob(job, context);
  const columns = job.columns ?? 1;
  const rowsPerSlab = Math.floor(SLAB_ELEMENTS / columns);
  invariant(rowsPerSlab > 0, `a row of ${columns} fits a slab of ${SLAB_ELEMENTS}`);
  const numRows = job.ranges.reduce((sum, range) => sum + range.numRows, 0);
  for (let firstRow = 0; firstRow < numRows; firstRow += rowsPerSlab) {
    const slabRows = Math.min(rowsPerSlab, numRows - firstRow);
    const numBytes = await fillSlab(job.ranges, job.columns, firstRow, slabRows, context);
    const values = context.buffers.values.subarray(0, slabRows * columns);
    encodeChecked(
      job.encode,
      { values, firstRow, numRows: slabRows, scratch: context.buffers.scratch },
      job.ranges,
      context.file,
    );
    context.onBytes(numBytes);
  }
}

async function copyTensor(tensor: StoredTensor, position: number, context: JobContext): Promise<void> {
  const { store, file, buffers } = context;
  for (let offset = 0; offset < tensor.numBytes; offset += buffers.bytes.byteLength) {
    const length = Math.min(buffers.bytes.byteLength, tensor.numBytes - offset);
    const bytes = new Uint8Array(buffers.bytes, 0, length);
    await store.read(tensor, offset, bytes);
    file.write(bytes, position + offset);
    context.onBytes(length);
  }
}

/** Widens the stacked rows [firstRow, firstRow + numRows) into the slab; returns the bytes read. */
async function fillSlab(
  ranges: readonly RowRange[],
  columns: number | null,
  firstRow: number,
  numRows: number,
  { store, buffers }: JobContext,
): Promise<number> {
  const width = columns ?? 1;
  let numBytes = 0;
  let rangeStart = 0;
  for (const range of ranges) {
    const start = Math.max(firstRow, rangeStart);
    const end = Math.min(firstRow + numRows, rangeStart + range.numRows);
    if (start < end) {
      const tensor = store.tensor(range.tensor, tensorShape(range, columns));
      const rowBytes = width * ELEMENT_BYTES[tensor.dataType]!;
      const bytes = new Uint8Array(buffers.bytes, 0, (end - start) * rowBytes);
      await store.read(tensor, (range.firstRow + start - rangeStart) * rowBytes, bytes);
      const target = buffers.values.subarray((start - firstRow) * width, (end - firstRow) * width);
      widen(tensor.dataType, bytes, target);
      numBytes += bytes.byteLength;
    }
    rangeStart += range.numRows;
  }
  return numBytes;
}

function encodeChecked(encode: EncodeSlab, slab: Slab, ranges: readonly RowRange[], file: DataFile): void {
  checkFinite(
    slab.values,
    ranges.map((range) => range.tensor),
  );
  encode(slab, file);
}

/**
 * A weight that is not a number would spoil every answer in silence, so it stops the work.
 *
 * @param tensors where the values are from
 * @throws TroupeError `invalid_model`
 */
export function checkFinite(values: Float32Array, tensors: readonly string[]): void {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  if (Number.isFinite(sum)) return;
  const names = [...new Set(tensors)].join(", ");
  throw new TroupeError("invalid_model", `A weight is infinite or not a number in ${names}`);
}
