/**
 * 4-bit weights in blocks of 32 or 128 inputs with a float32 scale each, for MatMulNBits at accuracy level 4 (int8
 * activations, quantised row by row and block by block). Lower levels compute in float32 and give a row other bits in a
 * batch than alone.
 */
import type { DataFile } from "../compile/data-file.ts";
import type { Segment } from "../compile/segment.ts";
import { type LinearDescription, numOutputs } from "../decoder-description.ts";
import type { GraphBuilder, Value } from "../onnx/graph-builder.ts";
import type { LinearForm } from "./linear-form.ts";
import { BLOCK_SIZES, type BlockPrecision } from "./stored-form.ts";

/** The stored value that stands for zero. */
const ZERO_POINT = 8;
/** Larger blocks are multiplied two rows at a time, and an odd last row alone, which sums it up in another order. */
const LARGEST_SINGLE_ROW_BLOCK = 32;

/** 4-bit weights in blocks of the precision's size. */
export function blockForm(precision: BlockPrecision): LinearForm {
  return { product: (segment, x, linear) => product(segment, x, linear, precision) };
}

function product(segment: Segment, x: Value, linear: LinearDescription, precision: BlockPrecision): Value {
  const { inputs } = linear;
  const outputs = numOutputs(linear);
  const blockSize = BLOCK_SIZES[precision];
  const numBlocks = Math.ceil(inputs / blockSize);
  const rowBytes = numBlocks * (blockSize / 2);
  const weight = segment.place(`${linear.name}.weight`, "uint8", [outputs, numBlocks, blockSize / 2]);
  const scale = segment.place(`${linear.name}.scale`, "float32", [outputs, numBlocks]);
  const write = (firstRow: number, packed: Uint8Array, scales: Float32Array, file: DataFile) => {
    file.write(packed, weight.position + firstRow * rowBytes);
    file.write(scales, scale.position + firstRow * numBlocks * 4);
  };
  segment.encodeMatrix(linear, precision, {
    floats({ values, firstRow, numRows, scratch }, file) {
      const packed = new Uint8Array(scratch, 0, numRows * rowBytes);
      write(firstRow, packed, quantizeBlocks(values, numRows, { packed, blockSize }), file);
    },
    stored: ({ values, scales, firstRow }, file) => write(firstRow, values, scales, file),
  });
  const multiply = (rows: Value) =>
    segment.graph.node("com.microsoft.MatMulNBits", [rows, weight.value, scale.value], {
      K: inputs,
      N: outputs,
      bits: 4,
      block_size: blockSize,
      accuracy_level: 4,
    });
  return blockSize > LARGEST_SINGLE_ROW_BLOCK ? inPairs(segment.graph, x, multiply) : multiply(x);
}

/** Fills an odd number of rows up with one of zeros, and leaves its result out. */
function inPairs(graph: GraphBuilder, x: Value, multiply: (rows: Value) => Value): Value {
  const numRows = graph.node("Shape", [x], { start: 0, end: 1 });
  // The remainders by 1 and 2: no row before the first, and one behind the last where their number is odd.
  const padding = graph.node("Mod", [numRows, graph.int64s([1, 2])]);
  const even = graph.node("Pad", [x, padding, "", graph.int64s([0])]);
  return graph.node("Slice", [multiply(even), graph.int64s([0]), numRows, graph.int64s([0])]);
}

/** Where quantised rows go, and how many of their inputs share a scale. */
interface Blocks {
  /** Gets two values a byte, the first in the low half [numRows, numBlocks, blockSize / 2]. */
  readonly packed: Uint8Array;
  readonly blockSize: number;
}

/**
 * Quantises rows; a last block that is not full is filled up with zeros.
 *
 * @param values [numRows, inputs]
 * @returns the scale of each block [numRows, numBlocks]
 */
export function quantizeBlocks(
  values: Float32Array,
  numRows: number,
  { packed, blockSize }: Blocks,
): Float32Array {
  const inputs = values.length / numRows;
  const numBlocks = Math.ceil(inputs / blockSize);
  const scales = new Float32Array(numRows * numBlocks);
  const quantized = new Uint8Array(blockSize);
  for (let index = 0; index < scales.length; index++) {
    const row = Math.floor(index / numBlocks);
    const start = row * inputs + (index % numBlocks) * blockSize;
    const end = Math.min(start + blockSize, (row + 1) * inputs);
    scales[index] = quantizeBlock(values, start, end, quantized);
    for (let i = 0; i < blockSize; i += 2) {
      packed[(index * blockSize + i) / 2] = quantized[i]! | (quantized[i + 1]! << 4);
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
 * @param packed [numRows, numBlocks, block size / 2]
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
  const blockSize = (2 * packed.length) / scales.length;
  for (let index = 0; index < scales.length; index++) {
    const scale = scales[index]!;
    const row = Math.floor(index / numBlocks);
    const start = row * inputs + (index % numBlocks) * blockSize;
    const end = Math.min(start + blockSize, (row + 1) * inputs);
    for (let i = start, at = (index * blockSize) / 2; i < end; i += 2, at++) {
      const pair = packed[at]!;
      values[i] = ((pair & 15) - ZERO_POINT) * scale;
      if (i + 1 < end) values[i + 1] = ((pair >> 4) - ZERO_POINT) * scale;
    }
  }
}
