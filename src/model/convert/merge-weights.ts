/** Shards put together into whole weights again: every byte as it was before they were cut. */
import { TroupeError } from "../../errors/troupe-error.ts";
import { createProgress } from "../compile/progress.ts";
import { WeightStore } from "../safetensors/weight-store.ts";
import { findShards } from "../shards/find-shards.ts";
import { writeFiles } from "./convert-weights.ts";
import { OutputFolder } from "./output-folder.ts";
import { copyTensor } from "./tensor-streams.ts";
import { atOutput, type WeightsJob, type WeightsResult } from "./weights-job.ts";
import { companionsOf, copyFiles, copyIndex, identify } from "./weights-source.ts";

/** What merging gave. */
export interface MergeResult extends WeightsResult {
  /** The files have the checksums of those that were split. False where another program had laid out their headers. */
  readonly isIdentical: boolean;
}

/**
 * Merges a split folder.
 *
 * @throws TroupeError `invalid_model` for a folder without shards, or with one missing, damaged or foreign; `file_error`,
 * `cancelled`
 * @example
 * ```ts
 * await mergeWeights({
 *   modelDir: "understudy-tp2",
 *   outputDir: "understudy-whole",
 *   cacheDir: defaultCacheDir(),
 * });
 * ```
 */
export async function mergeWeights(options: WeightsJob): Promise<MergeResult> {
  const { modelDir, outputDir, cacheDir } = options;
  const shards = await findShards(modelDir);
  if (shards === null) {
    throw new TroupeError(
      "invalid_model",
      `${modelDir} holds no shards (rank-00000-of-...); nothing to merge`,
    );
  }
  const progress = createProgress(options.onProgress, options.signal);
  await using store = await WeightStore.open(modelDir);
  const { precision, block, source } = shards.manifest;
  await identify(modelDir, source.architecture, { cacheDir, progress });
  return await atOutput(outputDir, async () => {
    const output = await OutputFolder.open(outputDir, { precision, block, source, shard: null }, progress);
    const files = store.files.map(({ name, metadata, tensors }) => ({
      name,
      metadata,
      planned: tensors.map((tensor) => ({
        name: tensor.name,
        dataType: tensor.dataType,
        shape: tensor.shape,
        stream: copyTensor.bind(null, tensor),
      })),
    }));
    for (const dir of [shards.dirs[0]!, modelDir]) await copyFiles(dir, outputDir, await companionsOf(dir));
    await copyIndex(store.indexDir, outputDir);
    const wasWritten = await writeFiles(output, files, progress);
    await output.complete();
    const isIdentical = Object.entries(output.files).every(
      ([name, record]) => source.files[name]?.sha256 === record.sha256,
    );
    return { dir: outputDir, numBytes: output.numBytes, wasWritten, isIdentical };
  });
}
