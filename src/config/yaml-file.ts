/** The adapter of js-yaml: one YAML file in, one plain value out; a mistake is named with file, line and column. */
import { readFileSync } from "node:fs";
import { load, YAMLException } from "js-yaml";
import { TroupeError } from "../errors/troupe-error.ts";

/**
 * Reads a YAML 1.2 file. An empty one gives null; duplicate keys are errors, which call the file `shownAs`.
 *
 * @throws TroupeError `file_error` when it cannot be read, `invalid_config` when it is not YAML.
 */
export function readYamlFile(path: string, shownAs = path): unknown {
  const text = readText(path, shownAs);
  // Comments alone are no document to the parser, but a fine file to its author.
  if (/^(?:\s*(?:#.*)?(?:\n|$))*$/.test(text)) return null;
  try {
    return load(text);
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    const { mark } = error;
    const place = mark === undefined ? shownAs : `${shownAs}:${mark.line + 1}:${mark.column + 1}`;
    throw new TroupeError("invalid_config", `${place}: ${error.reason}`, {
      cause: error,
      details: { file: path },
    });
  }
}

function readText(path: string, shownAs: string): string {
  try {
    return readFileSync(path, "utf8").replace(/^\uFEFF/, "");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const reason =
      code === "ENOENT" ? "does not exist" : code === "EISDIR" ? "is a folder" : `cannot be read (${code})`;
    throw new TroupeError("file_error", `The configuration file ${shownAs} ${reason}.`, {
      cause: error,
      details: { file: path },
    });
  }
}
