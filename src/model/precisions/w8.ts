/**
 * int8 weights, int8 activations: each output column of the weight has one scale (its largest magnitude / 127), and
 * each row of the input is quantised on the fly with a scale of its own. Rows share nothing, so a row's result does not
 * depend on its neighbours.
 */
import type { DataFile } from "../compile/data-file.ts";
import { numOutputs } from "../decoder-description.ts";
import type { GraphBuilder, Value } from "../onnx/graph-builder.ts";
import type { LinearForm } from "./linear-form.ts";
import { forEachTileRun, writeColumns } from "./write-transposed.ts";

/** Largest magnitude of a quantised value; -128 is left out so that the range is symmetric. */
const LIMIT = 127;
/** The kernels want unsigned activations, so 128 stands for zero. */
const ZERO_POINT = 128;
/** Smallest row maximum: rows of zeros must not divide by zero. */
const SMALLEST_MAXIMUM = 1e-9;

export const w8: LinearForm = {
  product(segment, x, linear) {
    const { graph } = segment;
    const outputs = numOutputs(linear);
    const weight = segment.place(`${linear.name}.weight`, "int8", [linear.inputs, outputs]);
    const scale = segment.place(`${linear.name}.scale`, "float32", [outputs]);
    const write = (firstRow: number, columns: Int8Array, scales: Float32Array, file: DataFile) => {
      const place = { position: weight.position, numColumns: outputs, firstColumn: firstRow };
      writeColumns(file, columns, scales.length, place);
      file.write(scales, scale.position + 4 * firstRow);
    };
    segment.encodeMatrix(linear, "w8", {
      floats({ values, firstRow, numRows, scratch }, file) {
        const quantized = new Int8Array(scratch, 0, values.length);
        write(firstRow, quantized, quantizeRows(values, numRows, quantized), file);
      },
      stored({ values, scales, firstRow, numRows, scratch }, file) {
        const columns = new Int8Array(scratch, 0, values.length);
        transpose(values, numRows, linear.inputs, columns);
        write(firstRow, columns, scales, file);
      },
    });
    const row = quantizeActivations(graph, x);
    // The operator takes one scale for all rows, so theirs come behind it; columns are scaled as the sums are made.
    const operands = [row.quantized, weight.value, graph.float32(1), scale.value, zeroPoint(graph)];
    const product = graph.node("com.microsoft.MatMulIntegerToFloat", operands); // [tokens, outputs]
    return graph.node("Mul", [product, row.scale]);
  },
};

/** Rounds each row to uint8 around 128. Returns quantized uint8 [tokens, inputs] and scale [tokens, 1]. */
function quantizeActivations(graph: GraphBuilder, x: Value): { quantized: Value; scale: Value } {
  const magnitude = graph.node("ReduceMax", [graph.node("Abs", [x]), graph.int64s([-1])], { keepdims: 0 });
  const maximum = graph.node("Max", [magnitude, graph.float32(SMALLEST_MAXIMUM)]);
  const scale = graph.node("Div", [maximum, graph.float32(LIMIT)]);
  const zeroPoints = graph.node("Expand", [zeroPoint(graph), graph.node("Shape", [scale])]);
  const quantized = graph.node("QuantizeLinear", [x, scale, zeroPoints], { axis: 0 });
  return { quantized, scale: graph.node("Unsqueeze", [scale, graph.int64s([1])]) };
}

function zeroPoint(graph: GraphBuilder): Value {
  return graph.constant("uint8", Uint8Array.of(ZERO_POINT));
}

/**
 * Quantises rows and transposes them.
 *
 * @param values [numRows, inputs]
 * @param quantized gets [inputs, numRows]
 * @returns the scale of each row [numRows]
 */
export function quantizeRows(values: Float32Array, numRows: number, quantized: Int8Array): Float32Array {
  const inputs = values.length / numRows;
  const { scales, inverses } = rowScales(rowMaxima(values, numRows));
  forEachTileRun(numRows, inputs, (row, start, end) => {
    const inverse = inverses[row]!;
    for (let column = start; column < end; column++) {
      quantized[column * numRows + row] = Math.round(values[row * inputs + column]! * inverse);
    }
  });
  return scales;
}

/** As {@link quantizeRows}, with rows left as rows: `quantized` gets [numRows, inputs]. */
export function quantizeRowsInOrder(
  values: Float32Array,
  numRows: number,
  quantized: Int8Array,
): Float32Array {
  const inputs = values.length / numRows;
  const { scales, inverses } = rowScales(rowMaxima(values, numRows));
  for (let row = 0; row < numRows; row++) {
    const inverse = inverses[row]!;
    for (let i = row * inputs; i < (row + 1) * inputs; i++) quantized[i] = Math.round(values[i]! * inverse);
  }
  return scales;
}

/**
 * The values that stored rows stand for.
 *
 * @param quantized [numRows, inputs]
 * @param values gets as many
 */
export function dequantizeRows(quantized: Int8Array, scales: Float32Array, values: Float32Array): void {
  const inputs = values.length / scales.length;
  for (let row = 0; row < scales.length; row++) {
    const scale = scales[row]!;
    for (let i = row * inputs; i < (row + 1) * inputs; i++) values[i] = quantized[i]! * scale;
  }
}

/** The largest magnitude of each row. @param values [numRows, columns] */
function rowMaxima(values: Float32Array, numRows: number): Float32Array {
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

function rowScales(maxima: Float32Array): {
  readonly scales: Float32Array;
  readonly inverses: Float64Array;
} {
  const scales = maxima.map((maximum) => maximum / LIMIT);
  const inverses = Float64Array.from(maxima, (maximum) => (maximum === 0 ? 0 : LIMIT / maximum));
  return { scales, inverses };
}

/** @param rows int8 [numRows, numColumns]; @param target gets [numColumns, numRows] */
function transpose(rows: Uint8Array, numRows: number, numColumns: number, target: Int8Array): void {
  forEachTileRun(numRows, numColumns, (row, start, end) => {
    for (let column = start; column < end; column++) {
      target[column * numRows + row] = rows[row * numColumns + column]!;
    }
  });
}
