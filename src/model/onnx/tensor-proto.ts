/**
 * Tensors inside ONNX files: element types, and TensorProto with its data inline or in an external file.
 */
import { invariant } from "../../errors/troupe-error.ts";
import { bytesOf, ProtobufWriter } from "./protobuf-writer.ts";

/** Element types by name: ONNX's number and bits of one element. */
export const DATA_TYPES = {
  float32: { code: 1, bits: 32 },
  uint8: { code: 2, bits: 8 },
  int8: { code: 3, bits: 8 },
  uint16: { code: 4, bits: 16 },
  int16: { code: 5, bits: 16 },
  int32: { code: 6, bits: 32 },
  int64: { code: 7, bits: 64 },
  bool: { code: 9, bits: 8 },
  float16: { code: 10, bits: 16 },
  float64: { code: 11, bits: 64 },
  uint32: { code: 12, bits: 32 },
  uint64: { code: 13, bits: 64 },
  bfloat16: { code: 16, bits: 16 },
} as const satisfies Record<string, { readonly code: number; readonly bits: number }>;

/** A key of {@link DATA_TYPES}. */
export type DataType = keyof typeof DATA_TYPES;

/** Where the bytes of an external tensor lie. */
export interface ExternalData {
  /** File name relative to the graph's folder. */
  readonly location: string;
  /** A multiple of {@link EXTERNAL_ALIGNMENT}, so that the file can be mapped. */
  readonly offset: number;
  readonly length: number;
}

/** Alignment of tensors in external data files: a page, so that mapped weights are aligned for SIMD. */
export const EXTERNAL_ALIGNMENT = 4096;

/** Bytes of a tensor of this type and shape. */
export function tensorBytes(dataType: DataType, dims: readonly number[]): number {
  return (dims.reduce((product, dim) => product * dim, 1) * DATA_TYPES[dataType].bits) / 8;
}

/** A TensorProto, its data inline (little-endian, as typed arrays have it on every platform ONNX Runtime runs on). */
export function inlineTensor(
  name: string,
  dataType: DataType,
  dims: readonly number[],
  data: ArrayBufferView,
): Uint8Array {
  const expected = tensorBytes(dataType, dims);
  invariant(
    data.byteLength === expected,
    `tensor ${name} ${dataType}[${dims.join(",")}] needs ${expected} bytes, got ${data.byteLength}`,
  );
  return tensorHead(name, dataType, dims).bytes(9, bytesOf(data)).finish();
}

/** A TensorProto whose data lies in a file beside the graph. */
export function externalTensor(
  name: string,
  dataType: DataType,
  dims: readonly number[],
  data: ExternalData,
): Uint8Array {
  const expected = tensorBytes(dataType, dims);
  invariant(
    data.length === expected,
    `external tensor ${name} ${dataType}[${dims.join(",")}] needs ${expected} bytes, got ${data.length}`,
  );
  invariant(
    data.offset % EXTERNAL_ALIGNMENT === 0,
    `external tensor ${name} starts at ${data.offset}, not at a multiple of ${EXTERNAL_ALIGNMENT}`,
  );
  const writer = tensorHead(name, dataType, dims);
  for (const key of ["location", "offset", "length"] as const) {
    writer.message(13, new ProtobufWriter().string(1, key).string(2, String(data[key])).finish());
  }
  return writer.int(14, 1).finish();
}

function tensorHead(name: string, dataType: DataType, dims: readonly number[]): ProtobufWriter {
  const writer = new ProtobufWriter();
  for (const dim of dims) writer.int(1, dim);
  return writer.int(2, DATA_TYPES[dataType].code).string(8, name);
}
