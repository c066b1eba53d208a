/**
 * All tensors of a checkpoint, however many files they are spread over, read in ranges: nothing here ever holds more
 * than the caller's buffer.
 */
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { nearestName } from "../../core/nearest-name.ts";
import { TroupeError } from "../../errors/troupe-error.ts";
import { isWeightType, WEIGHT_TYPES, type WeightType } from "./element-types.ts";
import { readHeader, type TensorEntry } from "./header.ts";
import { findWeightFiles, type WeightFiles } from "./weight-files.ts";

/** A tensor that {@link WeightStore.read} can read. */
export interface StoredTensor {
  readonly name: string;
  readonly dataType: WeightType;
  readonly shape: readonly number[];
  readonly numBytes: number;
}

interface Located extends TensorEntry {
  readonly file: string;
  readonly handle: FileHandle;
}

/**
 * An open checkpoint.
 *
 * @example
 * ```ts
 * await using store = await WeightStore.open("models/understudy");
 * const norm = store.tensor("model.norm.weight", [256]);
 * await store.read(norm, 0, new Uint8Array(norm.numBytes));
 * ```
 */
export class WeightStore implements AsyncDisposable {
  readonly #dir: string;
  readonly #handles: readonly FileHandle[];
  readonly #tensors: ReadonlyMap<string, Located>;

  private constructor(dir: string, handles: readonly FileHandle[], tensors: ReadonlyMap<string, Located>) {
    this.#dir = dir;
    this.#handles = handles;
    this.#tensors = tensors;
  }

  /** @throws TroupeError `invalid_model` for missing or malformed files, `file_error` for unreadable ones. */
  static async open(dir: string): Promise<WeightStore> {
    const weightFiles = await findWeightFiles(dir);
    const handles: FileHandle[] = [];
    try {
      const tensors = await locateTensors(dir, weightFiles, handles);
      return new WeightStore(dir, handles, tensors);
    } catch (error) {
      await Promise.all(handles.map((handle) => handle.close()));
      throw error;
    }
  }

  /** @throws TroupeError `invalid_model` when it is missing, of another shape, or not of a type weights are read from. */
  tensor(name: string, shape: readonly number[]): StoredTensor {
    const { file, shape: actual, dataType, numBytes } = this.#locate(name);
    if (actual.length !== shape.length || actual.some((dim, axis) => dim !== shape[axis])) {
      throw new TroupeError(
        "invalid_model",
        `${file}: tensor ${name} has shape [${actual.join(", ")}]; config.json calls for [${shape.join(", ")}]`,
        { details: { file, tensor: name, shape: actual, expected: shape } },
      );
    }
    if (!isWeightType(dataType)) {
      const known = Object.keys(WEIGHT_TYPES).join(", ");
      throw new TroupeError(
        "invalid_model",
        `${file}: tensor ${name} is ${dataType}; weights are read from ${known}`,
        {
          details: { file, tensor: name, dataType },
        },
      );
    }
    return { name, dataType, shape: actual, numBytes };
  }

  /** Fills `target` with the tensor's bytes from `offset` on. */
  async read(tensor: StoredTensor, offset: number, target: Uint8Array): Promise<void> {
    const { file, handle, offset: start } = this.#locate(tensor.name);
    let done = 0;
    while (done < target.byteLength) {
      const { bytesRead } = await handle
        .read(target, done, target.byteLength - done, start + offset + done)
        .catch((error: Error) => Promise.reject(unreadable(file, error)));
      if (bytesRead === 0) {
        throw new TroupeError("invalid_model", `${file} ended inside tensor ${tensor.name}: was it changed?`);
      }
      done += bytesRead;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#handles.map((handle) => handle.close()));
  }

  /** Checkpoints saved from a model without its head, as BLOOM's, leave out the first part of every name. */
  #locate(name: string): Located {
    const located = this.#tensors.get(name) ?? this.#tensors.get(name.slice(name.indexOf(".") + 1));
    if (located !== undefined) return located;
    const near = nearestName(name, [...this.#tensors.keys()]);
    const hint = near === undefined ? "" : ` (it has ${near})`;
    throw new TroupeError("invalid_model", `${this.#dir}: the checkpoint has no tensor ${name}${hint}`, {
      details: { dir: this.#dir, tensor: name },
    });
  }
}

/** Opens every file into `handles`, so that the caller can close them even when a later one is bad. */
async function locateTensors(
  dir: string,
  { files, index }: WeightFiles,
  handles: FileHandle[],
): Promise<Map<string, Located>> {
  const tensors = new Map<string, Located>();
  for (const name of files) {
    const file = join(dir, name);
    const handle = await openFile(file);
    handles.push(handle);
    for (const entry of await readHeader(handle, file)) {
      if (index === null || index.get(entry.name) === name)
        tensors.set(entry.name, { ...entry, file, handle });
    }
  }
  for (const [tensor, file] of index ?? []) {
    if (tensors.has(tensor)) continue;
    throw new TroupeError(
      "invalid_model",
      `${join(dir, file)} has no tensor ${tensor}, but the index places it there`,
      {
        details: { file, tensor },
      },
    );
  }
  return tensors;
}

async function openFile(file: string): Promise<FileHandle> {
  try {
    return await open(file, "r");
  } catch (error) {
    throw unreadable(file, error as Error);
  }
}

function unreadable(file: string, cause: Error): TroupeError {
  return new TroupeError("file_error", `Cannot read ${file}: ${cause.message}`, { cause, details: { file } });
}
