/**
 * Writes a safetensors file from front to back, with its checksum: the header is laid out as the safetensors library
 * does it, so a file that came from there and is put together again is the same file.
 */
import { createHash } from "node:crypto";
import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { invariant } from "../../errors/troupe-error.ts";
import type { FileRecord } from "../weights-manifest.ts";
import { ELEMENT_BYTES } from "./element-types.ts";

/** A tensor to come. */
export interface TensorPlan {
  readonly name: string;
  readonly dataType: string;
  readonly shape: readonly number[];
}

/** The header's length is a multiple of this. */
const HEADER_ALIGNMENT = 8;

/** Bytes of a tensor of a type that can be written. */
export function plannedBytes({ dataType, shape }: Omit<TensorPlan, "name">): number {
  return shape.reduce((product, dim) => product * dim, ELEMENT_BYTES[dataType]!);
}

/** One file while it is written. */
export class SafetensorsWriter implements Disposable {
  readonly #descriptor: number;
  readonly #hash = createHash("sha256");
  readonly #numBytes: number;
  /** Written ahead of the first bytes, so that a disk without room fails a write and never the making of a writer. */
  #header: Uint8Array | null;
  #position = 0;
  #isOpen = true;

  constructor(path: string, tensors: readonly TensorPlan[], metadata: Readonly<Record<string, string>>) {
    const header = headerBytes(tensors, metadata);
    this.#numBytes = header.byteLength + tensors.reduce((sum, tensor) => sum + plannedBytes(tensor), 0);
    this.#header = header;
    this.#descriptor = openSync(path, "w");
  }

  /** Appends bytes: those of the first tensor, of the second, and so on. */
  write(bytes: Uint8Array): void {
    if (this.#header !== null) {
      const header = this.#header;
      this.#header = null;
      this.#append(header);
    }
    this.#append(bytes);
  }

  #append(bytes: Uint8Array): void {
    this.#hash.update(bytes);
    let done = 0;
    while (done < bytes.byteLength) {
      done += writeSync(this.#descriptor, bytes, done, bytes.byteLength - done, this.#position + done);
    }
    this.#position += bytes.byteLength;
  }

  /** Waits until the whole file is on the disk. */
  finish(): FileRecord {
    this.write(new Uint8Array(0));
    invariant(this.#position === this.#numBytes, `a file of ${this.#numBytes} bytes is written to its end`);
    fsyncSync(this.#descriptor);
    return { bytes: this.#numBytes, sha256: this.#hash.digest("hex") };
  }

  /** Closes the file; idempotent. */
  [Symbol.dispose](): void {
    if (this.#isOpen) closeSync(this.#descriptor);
    this.#isOpen = false;
  }
}

function headerBytes(tensors: readonly TensorPlan[], metadata: Readonly<Record<string, string>>): Buffer {
  let end = 0;
  const entries = tensors.map((tensor) => {
    const start = end;
    end += plannedBytes(tensor);
    return [
      tensor.name,
      { dtype: tensor.dataType, shape: tensor.shape, data_offsets: [start, end] },
    ] as const;
  });
  const notes = Object.keys(metadata).length === 0 ? [] : [["__metadata__", metadata] as const];
  const fields = [...notes, ...entries].map(
    ([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`,
  );
  const json = Buffer.from(`{${fields.join(",")}}`);
  const length = Math.ceil(json.byteLength / HEADER_ALIGNMENT) * HEADER_ALIGNMENT;
  const bytes = Buffer.alloc(8 + length, " ");
  bytes.writeBigUInt64LE(BigInt(length));
  json.copy(bytes, 8);
  return bytes;
}
