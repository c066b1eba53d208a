/**
 * The external data file of a segment while it is written: tensors have their places before their bytes exist, and
 * slabs arrive in any order.
 */
import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { bytesOf } from "../onnx/protobuf-writer.ts";

/**
 * Writes are synchronous: a transposed weight arrives as thousands of short runs, and a promise for each would cost
 * more than the run.
 */
export class DataFile implements Disposable {
  readonly #descriptor: number;

  constructor(path: string) {
    this.#descriptor = openSync(path, "wx");
  }

  /** Writes all of `data` at a position in the file. */
  write(data: ArrayBufferView, position: number): void {
    const bytes = bytesOf(data);
    let done = 0;
    while (done < bytes.byteLength) {
      done += writeSync(this.#descriptor, bytes, done, bytes.byteLength - done, position + done);
    }
  }

  /** Waits until everything written is on the disk. */
  sync(): void {
    fsyncSync(this.#descriptor);
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor);
  }
}
