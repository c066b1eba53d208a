/** The element types of servables: their sizes, their typed arrays, and the names and numbers that the wire has for them. */

interface TensorArrays {
  readonly bool: Uint8Array;
  readonly int8: Int8Array;
  readonly uint8: Uint8Array;
  readonly int16: Int16Array;
  readonly uint16: Uint16Array;
  readonly int32: Int32Array;
  readonly uint32: Uint32Array;
  readonly int64: BigInt64Array;
  readonly uint64: BigUint64Array;
  readonly float16: Float16Array;
  readonly float32: Float32Array;
  readonly float64: Float64Array;
}

/** Element types of tensors. */
export type TensorType = keyof TensorArrays;

/** The typed array that holds elements of a type; a bool is a byte of 0 or 1. */
export type TensorData<T extends TensorType = TensorType> = TensorArrays[T];

interface TypeInfo {
  /** Number of the type in MindSpore Serving's proto. */
  readonly code: number;
  readonly bytes: number;
  readonly kind: "bool" | "int" | "float";
  readonly make: (buffer: ArrayBufferLike, byteOffset?: number, length?: number) => TensorData;
}

/** All types, by name. */
export const TENSOR_TYPES: Readonly<Record<TensorType, TypeInfo>> = {
  bool: { code: 1, bytes: 1, kind: "bool", make: (...part) => new Uint8Array(...part) },
  int8: { code: 2, bytes: 1, kind: "int", make: (...part) => new Int8Array(...part) },
  uint8: { code: 3, bytes: 1, kind: "int", make: (...part) => new Uint8Array(...part) },
  int16: { code: 4, bytes: 2, kind: "int", make: (...part) => new Int16Array(...part) },
  uint16: { code: 5, bytes: 2, kind: "int", make: (...part) => new Uint16Array(...part) },
  int32: { code: 6, bytes: 4, kind: "int", make: (...part) => new Int32Array(...part) },
  uint32: { code: 7, bytes: 4, kind: "int", make: (...part) => new Uint32Array(...part) },
  int64: { code: 8, bytes: 8, kind: "int", make: (...part) => new BigInt64Array(...part) },
  uint64: { code: 9, bytes: 8, kind: "int", make: (...part) => new BigUint64Array(...part) },
  float16: { code: 10, bytes: 2, kind: "float", make: (...part) => new Float16Array(...part) },
  float32: { code: 11, bytes: 4, kind: "float", make: (...part) => new Float32Array(...part) },
  float64: { code: 12, bytes: 8, kind: "float", make: (...part) => new Float64Array(...part) },
};

/** Numbers of text and raw bytes in the proto; they are no tensors. */
export const STR_CODE = 13;
/** @see STR_CODE */
export const BYTES_CODE = 14;

/** The type that a proto's number stands for; undefined for none. */
export function typeOfCode(code: number): TensorType | undefined {
  return TENSOR_NAMES.find((type) => TENSOR_TYPES[type].code === code);
}

const TENSOR_NAMES = Object.keys(TENSOR_TYPES) as readonly TensorType[];

const SHORT_NAMES: ReadonlyMap<string, TensorType> = new Map([
  ["fp16", "float16"],
  ["fp32", "float32"],
  ["fp64", "float64"],
]);

/** A `type` of JSON: int8, fp16, float16, ..., str, bytes. Undefined for an unknown one. */
export function typeOfName(name: string): TensorType | "str" | "bytes" | undefined {
  if (name === "str" || name === "bytes") return name;
  return SHORT_NAMES.get(name) ?? TENSOR_NAMES.find((type) => type === name);
}
