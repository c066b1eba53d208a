/**
 * Keys and values in 8 bits: a row is its largest magnitude / 127, the scale, times whole numbers from -127 to 127, rounded
 * to nearest, ties to even. Every row has its own scale, so a row reads the same whatever is written beside it.
 *
 *     scales float32 [numRows] · elements int8 [numRows, headDim]
 */
import type { KvForm } from "./kv-form.ts";

/** Largest magnitude of an element; -128 is left out so that the range is symmetric. */
const LIMIT = 127;
/** Added to a small number and taken away again, it leaves the nearest whole number: 1.5 * 2^52. */
const ROUNDER = 6_755_399_441_055_744;

const SCALE_BYTES = Float32Array.BYTES_PER_ELEMENT;

export const int8: KvForm = {
  rowBytes: (headDim) => headDim + SCALE_BYTES,
  open(buffer, { numRows, headDim, pageSize }) {
    const scales = new Float32Array(buffer, 0, numRows);
    const data = new Int8Array(buffer, numRows * SCALE_BYTES);
    const zeros = new Float32Array(pageSize);
    return {
      data,
      scales,
      write(row, source, start) {
        const largest = largestMagnitude(source, start, headDim);
        scales[row] = largest / LIMIT; // NaN or infinite like the row's largest element
        const inverse = largest === 0 ? 0 : LIMIT / largest;
        const first = row * headDim;
        for (let i = 0; i < headDim; i++) data[first + i] = source[start + i]! * inverse + ROUNDER - ROUNDER;
      },
      read(firstRow, numRows, target, start) {
        for (let i = 0, at = firstRow * headDim; i < numRows * headDim; i++, at++)
          target[start + i] = data[at]! * scales[firstRow + Math.floor(i / headDim)]!;
      },
      // Elements are finite whatever they are: scales of zero are enough.
      clear: (firstRow, numCleared) => scales.set(zeros.subarray(0, numCleared), firstRow),
      copy(from, to, numCopied) {
        scales.copyWithin(to, from, from + numCopied);
        data.copyWithin(to * headDim, from * headDim, (from + numCopied) * headDim);
      },
    };
  },
};

/** NaN when an element is. */
function largestMagnitude(values: Float32Array, start: number, length: number): number {
  let largest = 0;
  for (let i = start; i < start + length; i++) {
    const magnitude = Math.abs(values[i]!);
    if (magnitude <= largest) continue;
    if (Number.isNaN(magnitude)) return Number.NaN;
    largest = magnitude;
  }
  return largest;
}
