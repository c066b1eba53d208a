/**
 * Reads the protobuf wire format, as far as sentencepiece_model.proto needs it. What is cut off or malformed is an error
 * with the byte it was found at, never a value that was not there.
 */
import { TroupeError } from "../../errors/troupe-error.ts";

/** One field of a message. */
export interface ProtobufField {
  readonly number: number;
  /** A varint's low 32 bits as a signed number: enough for bool, enum and int32. Null for other wire types. */
  readonly varint: number | null;
  /** The content of a string, message or fixed-size number; null for a varint. */
  readonly bytes: Buffer | null;
}

/**
 * The fields of a message in the order of the file.
 *
 * @param file named in errors.
 * @throws TroupeError `invalid_model` where the bytes are no protobuf message
 * @example
 * ```ts
 * for (const field of protobufFields(bytes, "tokenizer.model")) if (field.number === 1) readPiece(field.bytes);
 * ```
 */
export function* protobufFields(message: Buffer, file: string): Generator<ProtobufField> {
  let at = 0;
  const varint = (): number => {
    let low = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = message[at++];
      if (byte === undefined) throw damaged(file, at - 1, "the file ends inside a number");
      if (shift < 32) low |= (byte & 0x7f) << shift;
      if (byte < 0x80) return low;
    }
    throw damaged(file, at, "a number has more than ten bytes");
  };
  const take = (length: number): Buffer => {
    if (length < 0 || at + length > message.length)
      throw damaged(file, at, `a field of ${length >>> 0} bytes reaches beyond its message`);
    at += length;
    return message.subarray(at - length, at);
  };
  while (at < message.length) {
    const key = varint() >>> 0;
    const number = key >>> 3;
    const type = key & 7;
    if (number === 0) throw damaged(file, at, "a field has the number 0");
    if (type === 0) yield { number, varint: varint(), bytes: null };
    else if (type === 1) yield { number, varint: null, bytes: take(8) };
    else if (type === 2) yield { number, varint: null, bytes: take(varint()) };
    else if (type === 5) yield { number, varint: null, bytes: take(4) };
    else throw damaged(file, at, `wire type ${type} is not used any more`);
  }
}

function damaged(file: string, at: number, problem: string): TroupeError {
  const message = `${file} is no SentencePiece model: ${problem} (byte ${at} of its message). Download it again.`;
  return new TroupeError("invalid_model", message, { details: { file, at } });
}
