/** Every weight file of a folder, whole or split. */
import { basename, join } from "node:path";
import { findWeightFiles } from "../safetensors/weight-files.ts";
import { findShards } from "./find-shards.ts";

/**
 * @returns paths inside the folder, in a fixed order
 * @throws TroupeError `invalid_model` when files or shards are missing
 */
export async function listWeightFiles(dir: string): Promise<readonly string[]> {
  const shards = await findShards(dir);
  if (shards === null) return (await findWeightFiles(dir)).files;
  return shards.dirs.flatMap((shard, rank) =>
    Object.keys(shards.manifests[rank]!.files)
      .sort()
      .map((file) => join(basename(shard), file)),
  );
}
