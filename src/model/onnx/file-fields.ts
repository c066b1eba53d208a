/**
 * Reads the fields of protobuf messages straight from a file, without loading what is skipped: the weights inside an ONNX
 * file may be gigabytes, and what describes the graph is some kilobytes between them.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { TroupeError } from "../../errors/troupe-error.ts";

/** One field of a message. Start and end are places in the file, of the content of what has a length. */
export interface FileField {
  readonly number: number;
  /** A varint as a signed number; null for other wire types. */
  readonly varint: number | null;
  readonly start: number;
  readonly end: number;
}

const WINDOW_BYTES = 65_536;
const INT64 = 2n ** 64n;

/** A file that is open for reading. */
export class FieldFile implements Disposable {
  readonly path: string;
  readonly size: number;
  readonly #descriptor: number;
  readonly #window = Buffer.alloc(WINDOW_BYTES);
  #windowStart = 0;
  #windowEnd = 0;

  /** @throws TroupeError `file_error` when it cannot be opened */
  constructor(path: string) {
    this.path = path;
    try {
      this.#descriptor = openSync(path, "r");
    } catch (cause) {
      const code = (cause as NodeJS.ErrnoException).code;
      const reason = code === "ENOENT" ? "does not exist" : `cannot be read (${code})`;
      throw new TroupeError("file_error", `${path} ${reason}.`, { cause, details: { path } });
    }
    this.size = fstatSync(this.#descriptor).size;
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor);
  }

  /** The fields of the message that lies at [start, end). @throws TroupeError `invalid_model` where it is none */
  *fields(start: number, end: number): Generator<FileField> {
    let at = start;
    while (at < end) {
      const key = this.#varint(at, end);
      const number = Math.floor(Number(key.value) / 8);
      const type = Number(key.value & 7n);
      at = key.next;
      if (number === 0 || number > 2 ** 29) throw this.#damaged(at);
      if (type === 0) {
        const { value, next } = this.#varint(at, end);
        yield { number, varint: Number(BigInt.asIntN(64, value)), start: at, end: next };
        at = next;
        continue;
      }
      const length = type === 2 ? this.#varint(at, end) : { value: type === 1 ? 8n : 4n, next: at };
      const fieldEnd = length.next + Number(length.value);
      if ((type !== 1 && type !== 2 && type !== 5) || fieldEnd > end) throw this.#damaged(at);
      yield { number, varint: null, start: length.next, end: fieldEnd };
      at = fieldEnd;
    }
  }

  /** The text of a field. */
  text({ start, end }: FileField): string {
    const bytes = Buffer.alloc(end - start);
    readSync(this.#descriptor, bytes, 0, bytes.length, start);
    return bytes.toString("utf8");
  }

  #varint(from: number, end: number): { readonly value: bigint; readonly next: number } {
    let value = 0n;
    for (let i = 0; i < 10 && from + i < end; i++) {
      const byte = this.#byte(from + i);
      value |= BigInt(byte & 0x7f) << BigInt(7 * i);
      if (byte < 0x80) return { value: value % INT64, next: from + i + 1 };
    }
    throw this.#damaged(from);
  }

  #byte(at: number): number {
    if (at < this.#windowStart || at >= this.#windowEnd) {
      const numBytes = readSync(this.#descriptor, this.#window, 0, WINDOW_BYTES, at);
      this.#windowStart = at;
      this.#windowEnd = at + numBytes;
      if (numBytes === 0) throw this.#damaged(at);
    }
    return this.#window[at - this.#windowStart]!;
  }

  #damaged(at: number): TroupeError {
    const message = `${this.path} is no ONNX model, or it is cut off: what stands at byte ${at} of ${this.size} cannot be read.`;
    return new TroupeError("invalid_model", message, { details: { path: this.path, at } });
  }
}
