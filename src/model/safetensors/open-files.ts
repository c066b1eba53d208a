/** The weight files of one folder, opened, and where each tensor lies in them. */
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { TroupeError } from "../../errors/troupe-error.ts";
import { type Header, readHeader, type TensorEntry } from "./header.ts";
import type { WeightFiles } from "./weight-files.ts";

/** A tensor, wherever its bytes are. */
export interface TensorSource extends Pick<TensorEntry, "name" | "dataType" | "shape" | "numBytes"> {
  /** For errors: the file that holds it. */
  readonly file: string;
  /** Fills `target` with the tensor's bytes from `offset` on. */
  read(offset: number, target: Uint8Array): Promise<void>;
}

/** A weight file as a list of tensors. */
export interface WeightFile extends Pick<Header, "metadata"> {
  /** Its name in the folder. */
  readonly name: string;
  /** In the order of their bytes. */
  readonly tensors: readonly TensorSource[];
}

/** Opened weight files. */
export interface OpenFiles {
  readonly files: readonly WeightFile[];
  close(): Promise<void>;
}

/** @throws TroupeError `invalid_model` for malformed files or an index that contradicts them, `file_error`. */
export async function openFiles(dir: string, { files, index }: WeightFiles): Promise<OpenFiles> {
  const handles: FileHandle[] = [];
  const close = async () => void (await Promise.all(handles.map((handle) => handle.close())));
  try {
    const opened: WeightFile[] = [];
    for (const name of files) {
      const file = join(dir, name);
      const handle = await openFile(file);
      handles.push(handle);
      const { tensors, metadata } = await readHeader(handle, file);
      const own = tensors.filter((entry) => index === null || index.get(entry.name) === name);
      opened.push({ name, metadata, tensors: own.map((entry) => sourceIn(file, handle, entry)) });
    }
    checkIndex(dir, opened, index);
    return { files: opened, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function sourceIn(file: string, handle: FileHandle, entry: TensorEntry): TensorSource {
  const { name, dataType, shape, numBytes } = entry;
  const read = (offset: number, target: Uint8Array) =>
    readFully(handle, entry.offset + offset, target, { file, tensor: name });
  return { name, dataType, shape, numBytes, file, read };
}

async function readFully(
  handle: FileHandle,
  position: number,
  target: Uint8Array,
  { file, tensor }: { readonly file: string; readonly tensor: string },
): Promise<void> {
  let done = 0;
  while (done < target.byteLength) {
    const { bytesRead } = await handle
      .read(target, done, target.byteLength - done, position + done)
      .catch((error: Error) => Promise.reject(unreadable(file, error)));
    if (bytesRead === 0) {
      throw new TroupeError("invalid_model", `${file} ended inside tensor ${tensor}: was it changed?`);
    }
    done += bytesRead;
  }
}

function checkIndex(dir: string, files: readonly WeightFile[], index: WeightFiles["index"]): void {
  const known = new Set(files.flatMap(({ tensors }) => tensors.map(({ name }) => name)));
  for (const [tensor, file] of index ?? []) {
    if (known.has(tensor)) continue;
    throw new TroupeError(
      "invalid_model",
      `${join(dir, file)} has no tensor ${tensor}, but the index places it there`,
      {
        details: { file, tensor },
      },
    );
  }
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
