/** Some columns of a slab of rows. */
import type { Slab } from "./weight-job.ts";

/** The slab without the other columns, in the same memory; each whole row's largest magnitude is kept beside. */
export function cutColumns(slab: Slab, firstColumn: number, numColumns: number): Slab {
  const { values, numRows } = slab;
  const maxima = rowMaxima(values, numRows);
  const width = values.length / numRows;
  for (let row = 0; row < numRows; row++) {
    const start = row * width + firstColumn;
    values.copyWithin(row * numColumns, start, start + numColumns);
  }
  return { ...slab, values: values.subarray(0, numRows * numColumns), rowMaxima: maxima };
}

/** The largest magnitude of each row. @param values [numRows, columns] */
export function rowMaxima(values: Float32Array, numRows: number): Float32Array {
  const columns = values.length / numRows;
  return Float32Array.from({ length: numRows }, (_, row) => {
    let maximum = 0;
    for (let i = row * columns; i < (row + 1) * columns; i++) {
      const magnitude = Math.abs(values[i]!);
      if (magnitude > maximum) maximum = magnitude;
    }
    return maximum;
  });
}
