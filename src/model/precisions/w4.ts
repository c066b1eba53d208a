/**
 * 4-bit weights in blocks of 32 inputs with a float32 scale each, for MatMulNBits at accuracy level 4 (int8
 * activations, quantised row by row and block by block). Lower levels compute in float32 and give a row other bits in a
 * batch than alone.
 */
import type { DataFile } from "../compile/data-file.ts";
import { numOutputs } from "../decoder-description.ts";
import type { LinearForm } from "./linear-form.ts";
import { BLOCK } from "./stored-form.ts";

/** The stored value that stands for zero. */
const ZERO_POINT = 8;

export const w4: LinearForm = {
  product(segment, x, linear) {
    const { inputs } = linear;
    const outputs = numOutputs(linear);
    const numBlocks = Math.ceil(inputs / BLOCK);
    const weight = segment.place(`${linear.name}.weight`, "uint8", [outputs, numBlocks, BLOCK / 2]);
    const scale = segment.place(`${linear.name}.scale`, "float32", [outputs, numBlocks]);
    const write = (firstRow: number, packed: Uint8Array, scales: Float32Array, file: DataFile) => {
      file.write(packed, weight.position + firstRow * numBlocks * (BLOCK / 2));
      file.write(scales, scale.position + firstRow * numBlocks * 4);
    };
    segment.encodeMatrix(linear, "w4", {
      floats({ values, firstRow, numRows, scratch }, file) {
        const packed = new Uint8Array(scratch, 0, (numRows * numBlocks * BLOCK) / 2);
        write(firstRow, packed, quantizeBlocks(values, numRows, packed), file);
      },
      stored: ({ values, scales, firstRow }, file) => write(firstRow, values, scales, file),
    });
    return segment.graph.node("com.microsoft.MatMulNBits", [x, weight.value, scale.value], {
      K: inputs,
      N: outputs,
      bits: 4,
      block_size: BLOCK,
      accuracy_level: 4,
    });
  },
};

/**
 * Quantises rows; a last block that is not full is filled up with zeros.
 *
 * @param values [numRows, inputs]
 * @param packed gets two values a byte, the first in the low half [numRows, numBlocks, BLOCK / 2]
 * @returns the scale of each block [numRows, numBlocks]
 */
export function quantizeBlocks(values: Float32Array, numRows: number, packed: Uint8Array): Float32Array {
  const inputs = values.length / numRows;
  const numBlocks = Math.ceil(inputs / BLOCK);
  const scales = new Float32Array(numRows * numBlocks);
  const quantized = new Uint8Array(BLOCK);
  for (let index = 0; index < scales.length; index++) {
    const row = Math.floor(index / numBlocks);
    const start = row * inputs + (index % numBlocks) * BLOCK;
    const end = Math.min(start + BLOCK, (row + 1) * inputs);
    scales[index] = quantizeBlock(values, start, end, quantized);
    for (let i = 0; i < BLOCK; i += 2) {
      packed[(index * BLOCK + i) / 2] = quantized[i]! | (quantized[i + 1]! << 4);
    }
  }
  return scales;
}

/**
 * As ggml's Q4_0: the value of largest magnitude takes -8, the end of the range that has one step more. Then the scale
 * is fitted to the rounded values by least squares, which never makes the error larger.
 *
 * @returns the scale; `quantized` gets the values 0 to 15
 */
function quantizeBlock(values: Float32Array, start: number, end: number, quantized: Uint8Array): number {
  let extreme = 0;
  for (let i = start; i < end; i++) if (Math.abs(values[i]!) > Math.abs(extreme)) extreme = values[i]!;
  quantized.fill(ZERO_POINT);
  if (extreme === 0) return 0;
  const inverse = -ZERO_POINT / extreme;
  let products = 0;
  let squares = 0;
  for (let i = start; i < end; i++) {
    const level = Math.min(Math.round(values[i]! * inverse), ZERO_POINT - 1);
    quantized[i - start] = level + ZERO_POINT;
    products += values[i]! * level;
    squares += level * level;
  }
  return products / squares;
}

/**
 * The values that stored blocks stand for.
 *
 * @param packed [numRows, numBlocks, BLOCK / 2]
 * @param scales [numRows, numBlocks]
 * @param values gets [numRows, inputs]
 */
export function dequantizeBlocks(
  packed: Uint8Array,
  scales: Float32Array,
  numRows: number,
  values: Float32Array,
): void {
  const inputs = values.length / numRows;
  const numBlocks = scales.length / numRows;
  for (let index = 0; index < scales.length; index++) {
    const scale = scales[index]!;
    const row = Math.floor(index / numBlocks);
    const start = row * inputs + (index % numBlocks) * BLOCK;
    const end = Math.min(start + BLOCK, (row + 1) * inputs);
    for (let i = start, at = (index * BLOCK) / 2; i < end; i += 2, at++) {
      const pair = packed[at]!;
      values[i] = ((pair & 15) - ZERO_POINT) * scale;
      if (i + 1 < end) values[i + 1] = ((pair >> 4) - ZERO_POINT) * scale;
    }
  }
}
