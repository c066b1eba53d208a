/**
 * troupe-weights.json: what a folder that Troupe wrote holds, what it was made from, and the checksum of each of its
 * files. It is written anew with every file that is finished, so an interrupted conversion can go on behind it.
 */
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parse, z } from "../core/schema.ts";
import { readOptionalJson } from "./json-file.ts";

export const MANIFEST_FILE = "troupe-weights.json";

/** What convert makes: float types, and the precisions that quantise. */
export const WEIGHT_PRECISIONS = ["fp32", "bf16", "fp16", "w8", "w4", "w4g128"] as const;
/** One of {@link WEIGHT_PRECISIONS}. */
export type WeightPrecision = (typeof WEIGHT_PRECISIONS)[number];

const count = z.int().nonnegative();
const fileSchema = z.object({ bytes: count, sha256: z.string() });

const manifestSchema = z.object({
  format: z.literal("troupe-weights"),
  version: z.literal(1),
  /** False while files are missing. */
  complete: z.boolean(),
  precision: z.enum(WEIGHT_PRECISIONS),
  /** Inputs that share a scale; null where none do. */
  block: count.nullable(),
  /** The whole weights that these were made from, by their content. */
  source: z.object({
    architecture: z.string(),
    sha256: z.string(),
    files: z.record(z.string(), fileSchema),
  }),
  /** Which shard this is; null for whole weights. */
  shard: z.object({ rank: count, size: z.int().positive(), strategy: z.string() }).nullable(),
  files: z.record(z.string(), fileSchema),
});

/** The parsed file. */
export type WeightsManifest = z.infer<typeof manifestSchema>;
/** What weights were made from. */
export type WeightsSource = WeightsManifest["source"];
/** Size and checksum of a file. */
export type FileRecord = z.infer<typeof fileSchema>;

/**
 * @returns undefined when the folder has none
 * @throws TroupeError `invalid_model` when it is malformed
 */
export async function readManifest(dir: string): Promise<WeightsManifest | undefined> {
  const path = join(dir, MANIFEST_FILE);
  const json = await readOptionalJson(path);
  return json === undefined ? undefined : parse(manifestSchema, json, { code: "invalid_model", what: path });
}

/** Replaces it at once, so that no reader ever sees half of one. */
export async function writeManifest(dir: string, manifest: WeightsManifest): Promise<void> {
  const path = join(dir, MANIFEST_FILE);
  await writeFile(`${path}.part`, `${JSON.stringify(manifest, null, 2)}\n`, { flush: true });
  await rename(`${path}.part`, path);
}
