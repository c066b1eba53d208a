/** The values that go through a servable: tensors, text and raw bytes. Plain data, so they travel between threads. */
import { TroupeError } from "../errors/troupe-error.ts";
import { TENSOR_TYPES, type TensorData, type TensorType } from "./tensor-types.ts";

/**
 * A dense row-major tensor. `data` holds the product of `shape` elements; a scalar's shape is empty.
 *
 * @example
 * ```ts
 * const image: Tensor<"float32"> = { type: "float32", shape: [28, 28], data: new Float32Array(784) };
 * ```
 */
export interface Tensor<T extends TensorType = TensorType> {
  readonly type: T;
  readonly shape: readonly number[];
  readonly data: TensorData<T>;
}

/**
 * One input or output: a tensor, text (`str`), or raw bytes (`bytes`).
 *
 * @example
 * ```ts
 * const values: Value[] = ["a text", new Uint8Array([1, 2]), tensor("int64", [], 7n)];
 * ```
 */
export type Value = Tensor | string | Uint8Array;

/** Elements as they may be written: one, a list, or anything of the right typed array. */
export type TensorElements = ArrayLike<number> | ArrayLike<bigint> | number | bigint | boolean;

/**
 * Makes a tensor; numbers are converted to the type as typed arrays do it.
 *
 * @throws TroupeError `invalid_request` when the number of elements is not the product of the shape
 * @example
 * ```ts
 * tensor("float32", [2, 2], [1, 2, 3, 4]);
 * tensor("int64", [], 7n);
 * ```
 */
export function tensor<T extends TensorType>(
  type: T,
  shape: readonly number[],
  elements: TensorElements,
): Tensor<T> {
  const list = typeof elements === "object" ? elements : [elements];
  const numElements = sizeOf(shape);
  if (list.length !== numElements) {
    const text = `A ${type} tensor of shape [${shape.join(",")}] has ${numElements} elements, not ${list.length}.`;
    throw new TroupeError("invalid_request", text);
  }
  const data = TENSOR_TYPES[type].make(new ArrayBuffer(numElements * TENSOR_TYPES[type].bytes));
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
    for (let i = 0; i < numElements; i++) data[i] = BigInt(list[i]!);
  } else {
    for (let i = 0; i < numElements; i++) data[i] = Number(list[i]);
  }
  return { type, shape: [...shape], data: data as TensorData<T> };
}

/** The product of the dimensions; 1 for a scalar. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, 1);
}

/** A tensor over a copy of little-endian `bytes`, which must be as many as the shape needs. */
export function tensorFromBytes(type: TensorType, shape: readonly number[], bytes: Uint8Array): Tensor {
  // not slice(): a Buffer's is no copy
  const { buffer } = new Uint8Array(bytes);
  return { type, shape: [...shape], data: TENSOR_TYPES[type].make(buffer) };
}

/** The bytes of a tensor's elements, in place. */
export function bytesOfTensor({ data }: Tensor): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** What kind of value it is, for messages. */
export function typeOfValue(value: Value): TensorType | "str" | "bytes" {
  if (typeof value === "string") return "str";
  return value instanceof Uint8Array ? "bytes" : value.type;
}

/** A value whose buffer holds nothing else: what is sent to another thread takes its whole buffer along. */
export function compact(value: Value): Value {
  if (typeof value === "string") return value;
  if (value instanceof Uint8Array) return isWhole(value) ? value : value.slice();
  return isWhole(value.data) ? value : { ...value, data: value.data.slice() };
}

function isWhole({ buffer, byteLength }: ArrayBufferView): boolean {
  return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength;
}
