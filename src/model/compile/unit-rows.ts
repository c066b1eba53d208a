/** Weights whose rows count by their direction alone. */

/** As PyTorch's `normalize`: a row of zeros must not divide by zero. */
const SMALLEST_LENGTH = 1e-12;

/** Divides each row by its Euclidean length, in place. @param values [numRows, columns] */
export function scaleToUnitRows(values: Float32Array, numRows: number): void {
  const columns = values.length / numRows;
  for (let start = 0; start < values.length; start += columns) {
    let squares = 0;
    for (let i = start; i < start + columns; i++) squares += values[i]! ** 2;
    const length = Math.max(Math.sqrt(squares), SMALLEST_LENGTH);
    for (let i = start; i < start + columns; i++) values[i]! /= length;
  }
}
