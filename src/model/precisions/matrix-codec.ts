/** Matrices to and from the form that a weight folder keeps them in, row by row: what each precision does, by its name. */
import { BLOCK_SIZES, type QuantizedPrecision } from "./stored-form.ts";
import { dequantizeBlocks, quantizeBlocks } from "./w4.ts";
import { dequantizeRows, quantizeRowsInOrder } from "./w8.ts";

/** Rows in and out of one precision; a row's bits do not depend on the other rows. */
export interface MatrixCodec {
  /** Bytes of a stored row, without its scales. */
  rowBytes(inputs: number): number;
  /**
   * @param values [numRows, inputs]
   * @param stored gets numRows * rowBytes
   * @returns the scales of the rows, one after the other
   */
  encode(values: Float32Array, numRows: number, stored: Uint8Array): Float32Array;
  /** @param values gets [numRows, inputs] */
  decode(stored: Uint8Array, scales: Float32Array, numRows: number, values: Float32Array): void;
}

export const MATRIX_CODECS: Readonly<Record<QuantizedPrecision, MatrixCodec>> = {
  w8: {
    rowBytes: (inputs) => inputs,
    encode: (values, numRows, stored) => quantizeRowsInOrder(values, numRows, signed(stored)),
    decode: (stored, scales, _numRows, values) => dequantizeRows(signed(stored), scales, values),
  },
  w4: blockCodec(BLOCK_SIZES.w4),
  w4g128: blockCodec(BLOCK_SIZES.w4g128),
};

function blockCodec(blockSize: number): MatrixCodec {
  return {
    rowBytes: (inputs) => Math.ceil(inputs / blockSize) * (blockSize / 2),
    encode: (values, numRows, stored) => quantizeBlocks(values, numRows, { packed: stored, blockSize }),
    decode: dequantizeBlocks,
  };
}

function signed(bytes: Uint8Array): Int8Array {
  return new Int8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
