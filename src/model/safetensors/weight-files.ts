/** Finds the safetensors files of a model folder: one file, or an index that spreads tensors over shards. */
import { access } from "node:fs/promises";
import { basename, join } from "node:path";
import { parse, z } from "../../core/schema.ts";
import { TroupeError } from "../../errors/troupe-error.ts";
import { readOptionalJson } from "../json-file.ts";

const SINGLE_FILE = "model.safetensors";
const INDEX_FILE = "model.safetensors.index.json";

const indexSchema = z.looseObject({ weight_map: z.record(z.string(), z.string()) });

/** The weight files of a folder. */
export interface WeightFiles {
  /** File names inside the folder, sorted. */
  readonly files: readonly string[];
  /** Which file each tensor should be in; null for a single file. */
  readonly index: ReadonlyMap<string, string> | null;
}

/**
 * @throws TroupeError `invalid_model` when there are none, the index is malformed or a shard is missing.
 */
export async function findWeightFiles(dir: string): Promise<WeightFiles> {
  const path = join(dir, INDEX_FILE);
  const json = await readOptionalJson(path);
  if (json === undefined) return findSingleFile(dir);
  const { weight_map: map } = parse(indexSchema, json, { code: "invalid_model", what: path });
  const files = [...new Set(Object.values(map))].sort();
  for (const file of files) {
    const numTensors = Object.values(map).filter((name) => name === file).length;
    if (file !== basename(file))
      throw new TroupeError("invalid_model", `${path}: "${file}" is not a plain file name`);
    if (await isThere(join(dir, file))) continue;
    throw new TroupeError(
      "invalid_model",
      `${join(dir, file)} is missing: ${INDEX_FILE} places ${numTensors} tensors there. Is the download complete?`,
      { details: { file } },
    );
  }
  return { files, index: new Map(Object.entries(map)) };
}

async function findSingleFile(dir: string): Promise<WeightFiles> {
  if (await isThere(join(dir, SINGLE_FILE))) return { files: [SINGLE_FILE], index: null };
  const pickled = await isThere(join(dir, "pytorch_model.bin"));
  const hint = pickled ? " Its weights are pickled (pytorch_model.bin): convert them to safetensors." : "";
  throw new TroupeError("invalid_model", `${dir} has neither ${SINGLE_FILE} nor ${INDEX_FILE}.${hint}`);
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
