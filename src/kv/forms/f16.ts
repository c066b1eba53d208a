/**
 * Keys and values as IEEE half floats, rounded to nearest, ties to even: 11 significant bits where float32 has 24. What is
 * too large for a half float becomes the largest one.
 */
import type { KvForm } from "./kv-form.ts";

/** The largest half float. */
const LARGEST = 65_504;

export const f16: KvForm = {
  rowBytes: (headDim) => headDim * Float16Array.BYTES_PER_ELEMENT,
  open(buffer, { headDim, pageSize }) {
    const numbers = new Float16Array(buffer);
    const data = new Uint16Array(buffer);
    const zeros = new Uint16Array(pageSize * headDim);
    return {
      data,
      scales: null,
      write(row, source, start) {
        const first = row * headDim;
        for (let i = 0; i < headDim; i++) {
          // NaN stays NaN.
          numbers[first + i] = Math.min(LARGEST, Math.max(-LARGEST, source[start + i]!));
        }
      },
      read: (firstRow, numRows, target, start) =>
        target.set(numbers.subarray(firstRow * headDim, (firstRow + numRows) * headDim), start),
      clear: (firstRow, numRows) => data.set(zeros.subarray(0, numRows * headDim), firstRow * headDim),
      copy: (from, to, numRows) => data.copyWithin(to * headDim, from * headDim, (from + numRows) * headDim),
    };
  },
};
