/** Columns of a batch: one input of all instances as one tensor, one output of all instances as one value for each. */
import { invariant, TroupeError } from "../errors/troupe-error.ts";
import type { ModelPort } from "./model-batch.ts";
import { bytesOfTensor, sizeOf, type Tensor, type Value } from "./tensor.ts";
import { TENSOR_TYPES } from "./tensor-types.ts";

/** What goes into and comes out of a model: a tensor, or one of texts. */
export type ModelTensor =
  | Tensor
  | { readonly type: "str"; readonly shape: readonly number[]; readonly data: readonly string[] };

/**
 * @param rows values that the port takes, of one shape
 * @param dims of one row; null where the rows say the size
 * @param numRows the first dimension of the result; null for a single row without one
 */
export function joinColumn(
  port: ModelPort,
  rows: readonly Value[],
  dims: readonly (number | null)[],
  numRows: number | null,
): ModelTensor {
  const batch = numRows === null ? [] : [numRows];
  if (port.type === "str") {
    const data = rows.map((row) => {
      invariant(typeof row === "string", "a text port was given something else");
      return row;
    });
    return { type: "str", shape: [...batch, ...dims.map((dim) => dim ?? 1)], data };
  }
  const first = rows[0];
  invariant(first !== undefined && typeof first === "object" && "shape" in first, "a column needs tensors");
  const shape = [...batch, ...dims.map((dim, index) => dim ?? first.shape[index]!)];
  if (numRows === null) return { ...first, shape };
  const bytes = new Uint8Array(rows.length * first.data.byteLength);
  for (const [index, row] of rows.entries()) {
    bytes.set(bytesOfTensor(row as Tensor), index * first.data.byteLength);
  }
  return { type: first.type, shape, data: TENSOR_TYPES[first.type].make(bytes.buffer) };
}

/**
 * @param numRows what the first dimension must be; null gives one row, the whole
 * @throws TroupeError `engine_failed` when the output has another batch, or several texts for a row
 */
export function splitColumn(name: string, output: ModelTensor, numRows: number | null): Value[] {
  if (numRows === null) return [output.type === "str" ? onlyText(name, output.data) : output];
  const { shape } = output;
  if (shape[0] !== numRows) {
    const text = `Output "${name}" has the shape [${shape.join(",")}] for a batch of ${numRows}.`;
    throw new TroupeError("engine_failed", text);
  }
  const rowShape = shape.slice(1);
  const rowSize = sizeOf(rowShape);
  return Array.from({ length: numRows }, (_, row) => {
    const [start, end] = [row * rowSize, (row + 1) * rowSize];
    if (output.type === "str") return onlyText(name, output.data.slice(start, end));
    // a copy: what is sent on must not hold the whole batch
    return { type: output.type, shape: rowShape, data: output.data.slice(start, end) };
  });
}

function onlyText(name: string, texts: readonly string[]): string {
  const [text] = texts;
  if (texts.length === 1 && text !== undefined) return text;
  const message = `Output "${name}" has ${texts.length} texts for an instance; a value is one.`;
  throw new TroupeError("engine_failed", message);
}
