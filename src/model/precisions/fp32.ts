/** Full precision: float32 weights [inputs, outputs] and MatMul. */
import { numOutputs } from "../decoder-description.ts";
import type { LinearForm } from "./linear-form.ts";
import { forEachTileRun, writeColumns } from "./write-transposed.ts";

export const fp32: LinearForm = {
  product(segment, x, linear) {
    const outputs = numOutputs(linear);
    const { value, position } = segment.place(`${linear.name}.weight`, "float32", [linear.inputs, outputs]);
    segment.encodeLinear(linear, ({ values, firstRow, numRows, scratch }, file) => {
      const block = new Float32Array(scratch, 0, values.length);
      transpose(values, numRows, linear.inputs, block);
      writeColumns(file, block, numRows, { position, numColumns: outputs, firstColumn: firstRow });
    });
    return segment.graph.node("MatMul", [x, value]); // [tokens, outputs]
  },
};

function transpose(values: Float32Array, numRows: number, numColumns: number, target: Float32Array): void {
  forEachTileRun(numRows, numColumns, (row, start, end) => {
    for (let column = start; column < end; column++) {
      target[column * numRows + row] = values[row * numColumns + column]!;
    }
  });
}
