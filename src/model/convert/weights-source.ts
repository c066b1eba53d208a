/** A folder that weights are made from: its checksum, what Troupe knows of its tensors, and the files beside the weights. */
import { copyFile, readdir, readFile, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { TroupeError } from "../../errors/troupe-error.ts";
import { fileHash, sha256 } from "../compile/content-hash.ts";
import type { Progress } from "../compile/progress.ts";
import { findShards } from "../shards/find-shards.ts";
import { listWeightFiles } from "../shards/list-weight-files.ts";
import { STRATEGY_FILE } from "../tensor-parallel/strategy.ts";
import { type FileRecord, MANIFEST_FILE, readManifest, type WeightsSource } from "../weights-manifest.ts";
import { LOCK_FILE } from "./folder-lock.ts";

/**
 * The identity of weights by their content. Of shards it is that of the whole they were cut from, and every file that
 * Troupe wrote is held against its checksum.
 *
 * @param cacheDir where checksums are remembered
 * @throws TroupeError `invalid_model` naming a file that is not what was written, `file_error`, `cancelled`
 */
export async function identify(
  dir: string,
  architecture: string,
  { cacheDir, progress }: { readonly cacheDir: string; readonly progress: Progress },
): Promise<WeightsSource> {
  const shards = await findShards(dir);
  const files = await hashFiles(dir, await listWeightFiles(dir), cacheDir, progress);
  const manifests = shards?.manifests ?? [await readManifest(dir)];
  const known = new Set(manifests.flatMap((manifest) => Object.values(manifest?.files ?? {}).map(keyOf)));
  const damaged = Object.entries(files).find(([, record]) => known.size > 0 && !known.has(keyOf(record)));
  if (damaged !== undefined) {
    const message = `${join(dir, damaged[0])} is damaged: its checksum is not the one in ${MANIFEST_FILE}`;
    throw new TroupeError("invalid_model", message, { details: { file: damaged[0] } });
  }
  if (shards !== null) return shards.manifest.source;
  const config = await readFile(join(dir, "config.json"), "utf8");
  return { architecture, sha256: sha256(JSON.stringify([config, files])), files };
}

function keyOf({ bytes, sha256: hash }: FileRecord): string {
  return `${bytes} ${hash}`;
}

async function hashFiles(
  dir: string,
  names: readonly string[],
  cacheDir: string,
  progress: Progress,
): Promise<Record<string, FileRecord>> {
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(dir, name))).size));
  progress.begin(
    "hashing",
    sizes.reduce((sum, size) => sum + size, 0),
  );
  const files: Record<string, FileRecord> = {};
  for (const [index, name] of names.entries()) {
    const hash = await fileHash(join(dir, name), cacheDir, (numBytes) => progress.advance(name, numBytes));
    files[name] = { bytes: sizes[index]!, sha256: hash };
  }
  return files;
}

const INDEX_FILE = "model.safetensors.index.json";
/** Weights in any form, and what Troupe writes itself. */
const NOT_COMPANION = /\.(?:safetensors|bin|pt|pth|h5|msgpack|gguf|onnx|weights|part)$/;

/** Names of the files that go with weights: configuration, tokenizer, templates, licence. */
export async function companionsOf(dir: string): Promise<readonly string[]> {
  const entries = await readdir(dir, { withFileTypes: true });
  const own = [INDEX_FILE, MANIFEST_FILE, STRATEGY_FILE, LOCK_FILE];
  return entries
    .filter((entry) => !entry.isDirectory() && !NOT_COMPANION.test(entry.name) && !own.includes(entry.name))
    .map(({ name }) => name);
}

/** Copies files byte for byte; each gets its name when it is whole. */
export async function copyFiles(from: string, to: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const unfinished = join(to, `${name}.part`);
    await copyFile(join(from, name), unfinished);
    await rename(unfinished, join(to, name));
  }
}

/** Copies the index of weights whose tensors keep their names and files; a single file has none. */
export async function copyIndex(from: string, to: string): Promise<void> {
  if ((await readdir(from)).includes(INDEX_FILE)) await copyFiles(from, to, [INDEX_FILE]);
}

/** The text of an index over files and their tensors. */
export function indexText(files: readonly IndexedFile[]): { readonly name: string; readonly text: string } {
  const entries = files.flatMap(({ name, tensors }) => tensors.map((tensor) => [tensor, name] as const));
  const weightMap = Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
  const totalBytes = files.reduce((sum, { numBytes }) => sum + numBytes, 0);
  const index = { metadata: { total_size: totalBytes }, weight_map: weightMap };
  return { name: INDEX_FILE, text: `${JSON.stringify(index, null, 2)}\n` };
}

/** A file as an index needs it. */
export interface IndexedFile {
  readonly name: string;
  readonly tensors: readonly string[];
  /** Of all tensors. */
  readonly numBytes: number;
}
