/** Keys and values as they were computed. */
import type { KvForm } from "./kv-form.ts";

export const f32: KvForm = {
  rowBytes: (headDim) => headDim * Float32Array.BYTES_PER_ELEMENT,
  open(buffer, { headDim, pageSize }) {
    const data = new Float32Array(buffer);
    // Not `fill`: on shared memory it is an atomic store for each element.
    const zeros = new Float32Array(pageSize * headDim);
    return {
      data,
      scales: null,
      write: (row, source, start) => data.set(source.subarray(start, start + headDim), row * headDim),
      read: (firstRow, numRows, target, start) =>
        target.set(data.subarray(firstRow * headDim, (firstRow + numRows) * headDim), start),
      clear: (firstRow, numRows) => data.set(zeros.subarray(0, numRows * headDim), firstRow * headDim),
      copy: (from, to, numRows) => data.copyWithin(to * headDim, from * headDim, (from + numRows) * headDim),
    };
  },
};
