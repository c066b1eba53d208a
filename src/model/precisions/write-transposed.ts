/**
 * Writing row slabs into a weight stored [inputs, outputs]: a slab of rows becomes a block of columns, which is as many
 * short runs as there are inputs.
 */
import type { DataFile } from "../compile/data-file.ts";

/** Where a slab goes. */
export interface ColumnBlock {
  /** Start of the weight in the file. */
  readonly position: number;
  /** Columns of the whole weight. */
  readonly numColumns: number;
  readonly firstColumn: number;
}

/** @param block [inputs, blockColumns] */
export function writeColumns(
  file: DataFile,
  block: Float32Array | Int8Array,
  blockColumns: number,
  { position, numColumns, firstColumn }: ColumnBlock,
): void {
  if (blockColumns === numColumns) {
    file.write(block, position);
    return;
  }
  const elementBytes = block.BYTES_PER_ELEMENT;
  for (let start = 0, row = 0; start < block.length; start += blockColumns, row++) {
    const run = block.subarray(start, start + blockColumns);
    file.write(run, position + (row * numColumns + firstColumn) * elementBytes);
  }
}

/** Side of the square tiles a transposition goes by, so that both sides of a tile stay in the first-level cache. */
const TILE = 32;

/** Visits every (row, column) of a matrix tile by tile, a row's run of columns at a time. */
export function forEachTileRun(
  numRows: number,
  numColumns: number,
  visit: (row: number, firstColumn: number, endColumn: number) => void,
): void {
  for (let rowTile = 0; rowTile < numRows; rowTile += TILE) {
    const rowEnd = Math.min(rowTile + TILE, numRows);
    for (let columnTile = 0; columnTile < numColumns; columnTile += TILE) {
      const columnEnd = Math.min(columnTile + TILE, numColumns);
      for (let row = rowTile; row < rowEnd; row++) visit(row, columnTile, columnEnd);
    }
  }
}
