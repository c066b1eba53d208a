/** A split folder opened as if it were whole: every tensor is put together from its shards as it is read. */
import { TroupeError } from "../../errors/troupe-error.ts";
import { type OpenFiles, openFiles, type TensorSource, type WeightFile } from "../safetensors/open-files.ts";
import { findWeightFiles } from "../safetensors/weight-files.ts";
import type { Shards } from "./find-shards.ts";
import { wholeTensorSource } from "./whole-tensor.ts";

/** @throws TroupeError `invalid_model` when shards do not fit together, `file_error` for unreadable ones. */
export async function openShards({ dirs, strategy }: Shards): Promise<OpenFiles> {
  const opened: OpenFiles[] = [];
  const close = async () => void (await Promise.all(opened.map((shard) => shard.close())));
  try {
    for (const dir of dirs) opened.push(await openFiles(dir, await findWeightFiles(dir)));
    const [first, ...others] = opened.map((shard) => shard.files);
    const files = first!.map((file, index): WeightFile => {
      const perRank = [file, ...others.map((shard) => shard[index])].map((part) => part?.tensors ?? []);
      return { ...file, tensors: file.tensors.map((_, at) => joined(perRank.map((part) => part[at]))) };
    });
    return { files, close };
  } catch (error) {
    await close();
    throw error;
  }

  function joined(parts: readonly (TensorSource | undefined)[]): TensorSource {
    const first = parts[0]!;
    const odd = parts.findIndex((part) => part?.name !== first.name || part.dataType !== first.dataType);
    if (odd > 0) {
      const message = `${dirs[odd]} does not hold ${first.name} where ${dirs[0]} holds it: is it a shard of another model?`;
      throw new TroupeError("invalid_model", message, { details: { tensor: first.name } });
    }
    return wholeTensorSource(parts as readonly TensorSource[], strategy.cutOf(first.name));
  }
}
