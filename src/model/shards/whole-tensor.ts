/** One tensor of a split model, read as if it were whole. */
import { TroupeError } from "../../errors/troupe-error.ts";
import type { TensorSource } from "../safetensors/open-files.ts";
import { plannedBytes } from "../safetensors/safetensors-writer.ts";
import { axisSize, rankSpans, spansSize } from "../tensor-parallel/tensor-cut.ts";
import type { TensorCut } from "../tensor-parallel/tensor-cuts.ts";

/** Rows or columns that lie together on one rank. */
interface Piece {
  readonly shard: TensorSource;
  /** In the whole tensor's axis. */
  readonly start: number;
  readonly end: number;
  /** In the shard's axis. */
  readonly shardStart: number;
}

/** Bytes of shard rows held at a time while columns are put together. */
const ROWS_BUFFER_BYTES = 1024 * 1024;

/**
 * @param shards the tensor's shards by rank
 * @throws TroupeError `invalid_model` for a shard whose shape the cut does not give
 */
export function wholeTensorSource(shards: readonly TensorSource[], cut: TensorCut): TensorSource {
  const first = shards[0]!;
  if (cut.kind === "replicated") {
    for (const shard of shards) checkShape(shard, first.shape);
    return first;
  }
  const shape = first.shape.with(cut.axis, axisSize(cut));
  const pieces: Piece[] = [];
  let covered = 0;
  const size = shards.length;
  for (const [rank, shard] of shards.entries()) {
    const spans = rankSpans(cut, { rank, size });
    checkShape(shard, shape.with(cut.axis, spansSize(spans)));
    pieces.push(...piecesOf(shard, spans));
  }
  // Units that several ranks hold are read from the first of them.
  const needed = pieces
    .sort((a, b) => a.start - b.start)
    .filter((piece) => {
      if (piece.end <= covered) return false;
      covered = piece.end;
      return true;
    });
  const numBytes = plannedBytes({ dataType: first.dataType, shape });
  const rows = { rowBytes: numBytes / shape[0]!, numColumns: shape[1] ?? 1 };
  const read = cut.axis === 0 ? readRows : readColumns;
  return {
    ...first,
    shape,
    numBytes,
    read: (offset, target) => read(needed, rows, offset, target),
  };
}

function piecesOf(shard: TensorSource, spans: ReturnType<typeof rankSpans>): Piece[] {
  let shardStart = 0;
  return spans.map(({ start, end }) => {
    const piece = { shard, start, end, shardStart };
    shardStart += end - start;
    return piece;
  });
}

function checkShape({ file, name, shape }: TensorSource, expected: readonly number[]): void {
  if (shape.length === expected.length && shape.every((dim, axis) => dim === expected[axis])) return;
  throw new TroupeError(
    "invalid_model",
    `${file}: tensor ${name} has shape [${shape.join(", ")}]; its strategy gives this rank [${expected.join(", ")}]`,
    { details: { file, tensor: name } },
  );
}

interface Rows {
  readonly rowBytes: number;
  readonly numColumns: number;
}

/** Each piece is one run of bytes, in the shard as in the whole. */
async function readRows(
  pieces: readonly Piece[],
  { rowBytes }: Rows,
  offset: number,
  target: Uint8Array,
): Promise<void> {
  for (const { shard, start, end, shardStart } of pieces) {
    const from = Math.max(offset, start * rowBytes);
    const to = Math.min(offset + target.byteLength, end * rowBytes);
    if (from >= to) continue;
    const inShard = shardStart * rowBytes + from - start * rowBytes;
    await shard.read(inShard, target.subarray(from - offset, to - offset));
  }
}

/** Each piece is a run of bytes in every row. */
async function readColumns(
  pieces: readonly Piece[],
  { rowBytes, numColumns }: Rows,
  offset: number,
  target: Uint8Array,
): Promise<void> {
  const columnBytes = rowBytes / numColumns;
  const endRow = Math.ceil((offset + target.byteLength) / rowBytes);
  for (const { shard, start, end, shardStart } of pieces) {
    const shardRowBytes = shard.shape[1]! * columnBytes;
    const rowsAtOnce = Math.max(1, Math.floor(ROWS_BUFFER_BYTES / shardRowBytes));
    for (let row = Math.floor(offset / rowBytes); row < endRow; row += rowsAtOnce) {
      const numRows = Math.min(rowsAtOnce, endRow - row);
      const bytes = new Uint8Array(numRows * shardRowBytes);
      await shard.read(row * shardRowBytes, bytes);
      for (let i = 0; i < numRows; i++) {
        const rowStart = (row + i) * rowBytes;
        const from = Math.max(offset, rowStart + start * columnBytes);
        const to = Math.min(offset + target.byteLength, rowStart + end * columnBytes);
        if (from >= to) continue;
        const inRow = from - rowStart - start * columnBytes + shardStart * columnBytes;
        const source = i * shardRowBytes + inRow;
        target.set(bytes.subarray(source, source + to - from), from - offset);
      }
    }
  }
}
