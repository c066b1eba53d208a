/**
 * The part of the protobuf wire format that ONNX files need: varint, 32-bit and length-delimited fields. Messages are
 * built from the inside out, each as finished bytes, so lengths are known without a second pass.
 */

const WIRE_VARINT = 0;
const WIRE_BYTES = 2;
const WIRE_FIXED32 = 5;

/**
 * Collects the fields of one message.
 *
 * @example
 * ```ts
 * const opset = new ProtobufWriter().string(1, "com.microsoft").int(2, 1).finish();
 * const model = new ProtobufWriter().int(1, 10).message(8, opset).finish();
 * ```
 */
export class ProtobufWriter {
  readonly #chunks: Uint8Array[] = [];
  #length = 0;

  /** An int32, int64 or enum field; negative values take ten bytes, as the format demands. */
  int(field: number, value: number | bigint): this {
    return this.#tag(field, WIRE_VARINT).#varint(BigInt.asUintN(64, BigInt(value)));
  }

  /** A float field. */
  float(field: number, value: number): this {
    return this.#tag(field, WIRE_FIXED32).#push(bytesOf(Float32Array.of(value)));
  }

  /** A bytes field. */
  bytes(field: number, value: Uint8Array): this {
    return this.#tag(field, WIRE_BYTES).#varint(BigInt(value.byteLength)).#push(value);
  }

  /** A string field. */
  string(field: number, value: string): this {
    return this.bytes(field, new TextEncoder().encode(value));
  }

  /** A nested message, finished. */
  message(field: number, value: Uint8Array): this {
    return this.bytes(field, value);
  }

  /** All fields so far as one block. */
  finish(): Uint8Array<ArrayBuffer> {
    const result = new Uint8Array(this.#length);
    let offset = 0;
    for (const chunk of this.#chunks) {
      result.set(chunk, offset);
      offset += chunk.byteLength;
    }
    return result;
  }

  #tag(field: number, wireType: number): this {
    return this.#varint(BigInt((field << 3) | wireType));
  }

  #varint(value: bigint): this {
    const bytes: number[] = [];
    let rest = value;
    while (rest > 0x7fn) {
      bytes.push(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    bytes.push(Number(rest));
    return this.#push(Uint8Array.from(bytes));
  }

  #push(chunk: Uint8Array): this {
    this.#chunks.push(chunk);
    this.#length += chunk.byteLength;
    return this;
  }
}

/** The bytes a typed array covers, without a copy. */
export function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}
