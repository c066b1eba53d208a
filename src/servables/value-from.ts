/** What a program writes as a value (a number, a typed array) as the value it stands for. */
import { TroupeError } from "../errors/troupe-error.ts";
import { sizeOf, type Tensor, tensor, type Value } from "./tensor.ts";
import { TENSOR_TYPES, type TensorType } from "./tensor-types.ts";

/**
 * Anything a stage function may return and a client may send: a `number` is a float64 scalar and a `bigint` an int64 one,
 * whatever its value; a typed array has one dimension, except that a `Uint8Array` is raw bytes.
 *
 * @example
 * ```ts
 * const outputs: ValueLike[] = [0.5, 3n, true, "dog", new Float32Array([0.1, 0.9]), tensor("int32", [], 3)];
 * ```
 */
export type ValueLike =
  | Value
  | number
  | bigint
  | boolean
  | Int8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | Float16Array
  | Float32Array
  | Float64Array;

/** @throws TroupeError `invalid_request` for anything that is no {@link ValueLike} */
export function valueFrom(value: unknown): Value {
  if (typeof value === "string") return value;
  if (typeof value === "number") return tensor("float64", [], value);
  if (typeof value === "bigint") return tensor("int64", [], value);
  if (typeof value === "boolean") return tensor("bool", [], value);
  if (value instanceof Uint8Array) return value.constructor === Uint8Array ? value : new Uint8Array(value);
  if (ArrayBuffer.isView(value)) return fromTypedArray(value);
  if (isTensor(value)) return value;
  const text = `A value must be a tensor, number, bigint, boolean, string or typed array, not ${describe(value)}.`;
  throw new TroupeError("invalid_request", text);
}

function fromTypedArray(view: ArrayBufferView): Tensor {
  for (const type of Object.keys(TENSOR_TYPES) as TensorType[]) {
    const info = TENSOR_TYPES[type];
    const empty = info.make(new ArrayBuffer(0));
    if (view.constructor !== empty.constructor) continue;
    const numElements = view.byteLength / info.bytes;
    const data = info.make(view.buffer, view.byteOffset, numElements);
    return { type, shape: [numElements], data };
  }
  throw new TroupeError("invalid_request", `A value cannot be a ${view.constructor.name}.`);
}

function isTensor(value: unknown): value is Tensor {
  if (typeof value !== "object" || value === null) return false;
  const { type, shape, data } = value as Partial<Tensor>;
  if (typeof type !== "string" || !Object.hasOwn(TENSOR_TYPES, type) || !Array.isArray(shape)) return false;
  const info = TENSOR_TYPES[type];
  const isTyped = ArrayBuffer.isView(data) && data.constructor === info.make(new ArrayBuffer(0)).constructor;
  if (!isTyped || !shape.every((dim) => Number.isSafeInteger(dim) && dim >= 0)) return false;
  if (data.length === sizeOf(shape)) return true;
  const text = `A ${type} tensor of shape [${shape.join(",")}] has ${sizeOf(shape)} elements, not ${data.length}.`;
  throw new TroupeError("invalid_request", text);
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  return typeof value === "object" ? (value.constructor?.name ?? "an object") : typeof value;
}
