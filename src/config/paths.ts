/** Paths in configurations: relative ones count from a folder, `~` is the user's home. */
import { homedir } from "node:os";
import { join, resolve } from "node:path";

/** A path or a list of them; what is neither is left for the schema to refuse. */
export function absolutePath(path: unknown, folder: string): unknown {
  if (Array.isArray(path)) return path.map((entry) => absolutePath(entry, folder));
  if (typeof path !== "string" || path === "") return path;
  return path === "~" || path.startsWith("~/") ? join(homedir(), path.slice(1)) : resolve(folder, path);
}

/** The sections' keys of `keys` made absolute, where they are there. */
export function withAbsoluteKeys(
  section: Readonly<Record<string, unknown>>,
  keys: readonly string[],
  folder: string,
): Readonly<Record<string, unknown>> {
  const paths = keys
    .filter((key) => key in section)
    .map((key) => [key, absolutePath(section[key], folder)] as const);
  return { ...section, ...Object.fromEntries(paths) };
}
