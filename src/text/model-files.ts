/** Reads the small files of a model folder. */
import { readFile } from "node:fs/promises";
import { TroupeError } from "../errors/troupe-error.ts";

/**
 * @returns null when there is no such file.
 * @throws TroupeError `file_error` when it is there but cannot be read
 */
export async function readTextIfPresent(file: string): Promise<string | null> {
  return (await readBytesIfPresent(file))?.toString("utf8") ?? null;
}

/** The same for a file that is not text. */
export async function readBytesIfPresent(file: string): Promise<Buffer | null> {
  try {
    return await readFile(file);
  } catch (error) {
    const reason = error instanceof Error && "code" in error ? String(error.code) : String(error);
    if (reason === "ENOENT") return null;
    const message = `${file} cannot be read (${reason}). Check its permissions.`;
    throw new TroupeError("file_error", message, { cause: error, details: { file } });
  }
}

/** @throws TroupeError `invalid_model` naming the file */
export function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new TroupeError("invalid_model", `${file} is not JSON: ${reason}`, {
      cause: error,
      details: { file },
    });
  }
}
