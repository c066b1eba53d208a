/** Reads the JSON files of a model folder; a problem names the file. */
import { readFile } from "node:fs/promises";
import { TroupeError } from "../errors/troupe-error.ts";

/**
 * @returns the parsed file, or undefined when there is none.
 * @throws TroupeError `invalid_model` when it is not JSON, `file_error` when it cannot be read.
 */
export async function readOptionalJson(path: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw new TroupeError("file_error", `Cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new TroupeError("invalid_model", `${path} is not JSON: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** True for "no such file or directory". */
function isMissing(error: unknown): boolean {
  const code = errorCode(error);
  return code === "ENOENT" || code === "ENOTDIR";
}

/** The system's code of a failed file operation. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error ? String(error.code) : undefined;
}
