/**
 * Cuts weights into a shard for each rank, whole or cut otherwise before: one pass over the source, a slab of rows at a
 * time, from which every rank takes its part.
 */
import { readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { TroupeError } from "../../errors/troupe-error.ts";
import { sha256 } from "../compile/content-hash.ts";
import { createProgress, type Progress } from "../compile/progress.ts";
import { createSlabBuffers } from "../compile/weight-job.ts";
import { readModelFolder } from "../model-folder.ts";
import { blockSizeOf } from "../precisions/stored-form.ts";
import type { WeightFile } from "../safetensors/open-files.ts";
import { WeightStore } from "../safetensors/weight-store.ts";
import { shardName } from "../shards/find-shards.ts";
import { parseStrategy, STRATEGY_FILE, type Strategy } from "../tensor-parallel/strategy.ts";
import { publishing } from "./convert-weights.ts";
import { defaultStrategy } from "./default-strategy.ts";
import { LOCK_FILE } from "./folder-lock.ts";
import { OutputFolder } from "./output-folder.ts";
import { checkShape, shardPlan, sliceTensor } from "./shard-slices.ts";
import {
  atOutput,
  checkTypes,
  cutsOf,
  precisionOf,
  type WeightsJob,
  type WeightsResult,
} from "./weights-job.ts";
import { companionsOf, copyFiles, copyIndex, identify } from "./weights-source.ts";

/** Files that a shard has a copy of. */
const SETTINGS = ["config.json", "generation_config.json"];

/** What to cut, and how. */
export interface SplitOptions extends WeightsJob {
  /** For how many ranks, by the strategy that the architecture calls for; or a strategy of your own, a JSON file. */
  readonly strategy: { readonly size: number } | { readonly file: string };
}

/**
 * Splits a folder's weights into shards, rank-00000-of-00002 and so on; a folder that is split already is cut anew,
 * without ever being whole. Tensors, their order, types and files are those of the source, so merging gives it back.
 *
 * @throws TroupeError `invalid_request` for a number of ranks that does not divide the model, with the nearest one that
 * does; `invalid_model`, `unsupported_model`, `file_error`, `cancelled`
 * @example
 * ```ts
 * await splitWeights({
 *   modelDir: "models/understudy",
 *   outputDir: "understudy-tp2",
 *   cacheDir: defaultCacheDir(),
 *   strategy: { size: 2 },
 * });
 * ```
 */
export async function splitWeights(options: SplitOptions): Promise<WeightsResult> {
  const { modelDir, outputDir, cacheDir } = options;
  const { architecture } = await readModelFolder(modelDir);
  const progress = createProgress(options.onProgress, options.signal);
  await using store = await WeightStore.open(modelDir);
  checkTypes(store);
  const { strategy: wanted } = options;
  const isGiven = "file" in wanted;
  const text = isGiven ? await readStrategyFile(wanted.file) : await planStrategy(options, wanted.size);
  const strategy = parseText(text, isGiven ? wanted.file : STRATEGY_FILE);
  for (const tensor of store.files.flatMap((file) => file.tensors)) checkShape(tensor, strategy);
  const source = await identify(modelDir, architecture, { cacheDir, progress });
  return await atOutput(outputDir, async () => {
    await openTop(outputDir, text);
    const places = Array.from({ length: strategy.size }, (_, rank) => ({ rank, size: strategy.size }));
    const ranks: OutputFolder[] = [];
    for (const place of places) {
      const precision = precisionOf(store);
      const block = blockSizeOf(store.quantization);
      const plan = { precision, block, source, shard: { ...place, strategy: sha256(text) } };
      const dir = join(outputDir, shardName(place.rank, place.size));
      ranks.push(await OutputFolder.open(dir, plan, progress));
    }
    await copyCompanions(modelDir, { outputDir, text, store, ranks });
    const wasWritten = await writeShards(ranks, store.files, strategy, progress);
    for (const rank of ranks) await rank.complete();
    return { dir: outputDir, numBytes: ranks.reduce((sum, rank) => sum + rank.numBytes, 0), wasWritten };
  });
}

/**
 * The strategy that {@link splitWeights} would follow, as the text of a strategy file.
 *
 * @throws TroupeError as splitWeights
 */
export async function planStrategy(
  options: Pick<SplitOptions, "modelDir" | "architectures">,
  size: number,
): Promise<string> {
  await using store = await WeightStore.open(options.modelDir);
  const cuts = await cutsOf(options.modelDir, store, options.architectures);
  return defaultStrategy(store, cuts, size);
}

async function readStrategyFile(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new TroupeError("file_error", `Cannot read the strategy ${file}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

function parseText(text: string, what: string): Strategy {
  try {
    return parseStrategy(JSON.parse(text), what);
  } catch (error) {
    if (error instanceof TroupeError) throw error;
    throw new TroupeError("invalid_model", `${what} is not JSON: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** The strategy lies beside the shards from the start; what else lies there came from an earlier run. */
async function openTop(dir: string, text: string): Promise<void> {
  const names = (await readdir(dir)).filter((name) => name !== LOCK_FILE);
  const path = join(dir, STRATEGY_FILE);
  const before = names.includes(STRATEGY_FILE) ? await readFile(path, "utf8") : null;
  if (before === text) return;
  if (before !== null || names.some((name) => !name.endsWith(".part"))) {
    const what = before === null ? `is not empty (it holds ${names[0]})` : "holds shards of another strategy";
    throw new TroupeError("file_error", `${dir} ${what}; choose another folder for the result`);
  }
  await writeFile(`${path}.part`, text, { flush: true });
  await rename(`${path}.part`, path);
}

async function writeShards(
  ranks: readonly OutputFolder[],
  files: readonly WeightFile[],
  strategy: Strategy,
  progress: Progress,
): Promise<boolean> {
  const work = files
    .map((file) => ({ file, missing: rankNumbers(ranks, file.name) }))
    .filter(({ missing }) => missing.length > 0);
  progress.begin(
    "converting",
    work.reduce((sum, { file }) => sum + sizeOf(file), 0),
  );
  const buffers = createSlabBuffers();
  for (const { file, missing } of work) {
    const places = missing.map((rank) => ({ rank, size: strategy.size }));
    const outputs = places.map((place) => {
      const plan = file.tensors.map((tensor) => shardPlan(tensor, strategy.cutOf(tensor.name), place));
      return ranks[place.rank]!.begin(file.name, plan, file.metadata);
    });
    await publishing(outputs, async () => {
      for (const tensor of file.tensors) {
        const shares = places.map((place, index) => ({ place, sink: outputs[index]!.write }));
        const onBytes = (numBytes: number) => progress.advance(tensor.name, numBytes);
        await sliceTensor(tensor, strategy.cutOf(tensor.name), shares, { buffers, onBytes });
      }
    });
  }
  return work.length > 0;
}

/** Ranks that lack a file. */
function rankNumbers(ranks: readonly OutputFolder[], file: string): number[] {
  return ranks.flatMap((rank, number) => (rank.has(file) ? [] : [number]));
}

function sizeOf({ tensors }: WeightFile): number {
  return tensors.reduce((sum, { numBytes }) => sum + numBytes, 0);
}

/** A shard has the settings and the index of the whole; tokenizer and the rest lie once, beside the shards. */
async function copyCompanions(
  modelDir: string,
  {
    outputDir,
    text,
    store,
    ranks,
  }: {
    readonly outputDir: string;
    readonly text: string;
    readonly store: WeightStore;
    readonly ranks: readonly OutputFolder[];
  },
): Promise<void> {
  const companions = await companionsOf(modelDir);
  await copyFiles(modelDir, outputDir, companions);
  for (const rank of ranks) {
    await copyFiles(
      modelDir,
      rank.dir,
      companions.filter((name) => SETTINGS.includes(name)),
    );
    await copyIndex(store.indexDir, rank.dir);
    await rank.writeText(STRATEGY_FILE, text);
  }
}
