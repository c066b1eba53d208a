/** A tensor cut into the parts of several ranks while it is read once. */
import { invariant, TroupeError } from "../../errors/troupe-error.ts";
import type { SlabBuffers } from "../compile/weight-job.ts";
import type { TensorSource } from "../safetensors/open-files.ts";
import type { TensorPlan } from "../safetensors/safetensors-writer.ts";
import type { Strategy } from "../tensor-parallel/strategy.ts";
import { axisSize, type RankPlace, rankSpans, type Span, spansSize } from "../tensor-parallel/tensor-cut.ts";
import type { TensorCut } from "../tensor-parallel/tensor-cuts.ts";
import { copyTensor, type Sink } from "./tensor-streams.ts";

/** A rank and where its part goes. */
export interface RankShare {
  readonly place: RankPlace;
  readonly sink: Sink;
}

/** What slicing works with. */
export interface SliceContext {
  readonly buffers: SlabBuffers;
  /** Called with bytes as they are read; throws to stop. */
  onBytes(numBytes: number): void;
}

/** @throws TroupeError `invalid_model` when the strategy is for a tensor of another shape. */
export function checkShape({ name, shape }: TensorSource, strategy: Strategy): void {
  const cut = strategy.cutOf(name);
  if (cut.kind === "replicated" || shape[cut.axis] === axisSize(cut)) return;
  const axis = cut.axis === 0 ? "rows" : "columns";
  const message = `The strategy cuts ${axisSize(cut)} ${axis} of ${name}, which is [${shape.join(", ")}]`;
  throw new TroupeError("invalid_model", message, { details: { tensor: name } });
}

/** The tensor that a rank holds. */
export function shardPlan(
  { name, dataType, shape }: TensorSource,
  cut: TensorCut,
  place: RankPlace,
): TensorPlan {
  if (cut.kind === "replicated") return { name, dataType, shape };
  return { name, dataType, shape: shape.with(cut.axis, spansSize(rankSpans(cut, place))) };
}

/** Gives each rank its part of a tensor, in the order of its bytes. */
export async function sliceTensor(
  tensor: TensorSource,
  cut: TensorCut,
  shares: readonly RankShare[],
  { buffers, onBytes }: SliceContext,
): Promise<void> {
  if (cut.kind === "replicated") {
    await copyTensor(tensor, buffers, (bytes) => {
      for (const { sink } of shares) sink(bytes);
      onBytes(bytes.byteLength);
    });
    return;
  }
  const [numRows, numColumns = 1] = tensor.shape as [number, number?];
  const rowBytes = tensor.numBytes / numRows;
  const ranks = shares.map(({ place, sink }) => ({ spans: rankSpans(cut, place), sink }));
  const rowsPerSlab = Math.floor(buffers.bytes.byteLength / rowBytes);
  invariant(rowsPerSlab > 0, `a row of ${rowBytes} bytes fits a slab`);
  for (let row = 0; row < numRows; row += rowsPerSlab) {
    const rows = { start: row, end: Math.min(row + rowsPerSlab, numRows) };
    const slab = new Uint8Array(buffers.bytes, 0, (rows.end - rows.start) * rowBytes);
    await tensor.read(row * rowBytes, slab);
    for (const { spans, sink } of ranks) {
      if (cut.axis === 0) sendRows(slab, rows, spans, sink);
      else sink(columnsOf(slab, { rowBytes, columnBytes: rowBytes / numColumns }, spans, buffers.scratch));
    }
    onBytes(slab.byteLength);
  }
}

/** @param rows the rows in the slab */
function sendRows(slab: Uint8Array, rows: Span, spans: readonly Span[], sink: Sink): void {
  const rowBytes = slab.byteLength / (rows.end - rows.start);
  for (const span of spans) {
    const start = Math.max(span.start, rows.start);
    const end = Math.min(span.end, rows.end);
    if (start < end) sink(slab.subarray((start - rows.start) * rowBytes, (end - rows.start) * rowBytes));
  }
}

/** The columns of all rows in the slab, packed into `scratch`. */
function columnsOf(
  slab: Uint8Array,
  { rowBytes, columnBytes }: { readonly rowBytes: number; readonly columnBytes: number },
  spans: readonly Span[],
  scratch: ArrayBuffer,
): Uint8Array {
  const packed = new Uint8Array(scratch, 0, (slab.byteLength / rowBytes) * spansSize(spans) * columnBytes);
  let position = 0;
  for (let row = 0; row < slab.byteLength; row += rowBytes) {
    for (const { start, end } of spans) {
      packed.set(slab.subarray(row + start * columnBytes, row + end * columnBytes), position);
      position += (end - start) * columnBytes;
    }
  }
  return packed;
}
