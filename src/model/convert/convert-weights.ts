/** Weights in another precision: a new folder beside the old one, with everything else that goes with a model. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createProgress, type Progress } from "../compile/progress.ts";
import { createSlabBuffers, type SlabBuffers } from "../compile/weight-job.ts";
import { readModelFolder } from "../model-folder.ts";
import { blockSizeOf } from "../precisions/stored-form.ts";
import type { WeightFile } from "../safetensors/open-files.ts";
import { plannedBytes } from "../safetensors/safetensors-writer.ts";
import { WeightStore } from "../safetensors/weight-store.ts";
import type { TensorCuts } from "../tensor-parallel/tensor-cuts.ts";
import type { WeightPrecision } from "../weights-manifest.ts";
import { type PlannedTensor, planConversion, quantizedPrecision } from "./convert-plan.ts";
import { type OpenOutput, OutputFolder } from "./output-folder.ts";
import { atOutput, checkTypes, cutsOf, type WeightsJob, type WeightsResult } from "./weights-job.ts";
import { companionsOf, copyFiles, identify, indexText } from "./weights-source.ts";

/** What to convert to what. */
export interface ConvertOptions extends WeightsJob {
  readonly precision: WeightPrecision;
}

/** Conversion between float types asks nothing of the architecture. */
const NO_CUTS: TensorCuts = { matrices: new Map(), biases: new Map(), tables: new Set() };

/**
 * Converts a folder's weights: to another float type, to a precision that quantises (what linear layers multiply by;
 * tables, norms, biases and routers stay as they are), or back from those to floats. A converted folder compiles to the
 * same bits as the original does in that precision.
 *
 * @throws TroupeError `invalid_model`, `unsupported_model`; `file_error` when the output cannot be written or holds
 * something else; `cancelled`
 * @example
 * ```ts
 * await convertWeights({
 *   modelDir: "models/understudy",
 *   outputDir: "understudy-w8",
 *   cacheDir: defaultCacheDir(),
 *   precision: "w8",
 * });
 * ```
 */
export async function convertWeights(options: ConvertOptions): Promise<WeightsResult> {
  const { modelDir, outputDir, precision, cacheDir } = options;
  const { architecture } = await readModelFolder(modelDir);
  const progress = createProgress(options.onProgress, options.signal);
  await using store = await WeightStore.open(modelDir);
  checkTypes(store);
  const target = quantizedPrecision(precision);
  const needsCuts = target !== null || store.quantization !== null;
  const cuts = needsCuts ? await cutsOf(modelDir, store, options.architectures) : NO_CUTS;
  const plan = planConversion(store, precision, cuts);
  const files = store.files.map((file) => ({ ...file, planned: file.tensors.flatMap(plan) }));
  const source = await identify(modelDir, architecture, { cacheDir, progress });
  return await atOutput(outputDir, async () => {
    const block = blockSizeOf(target);
    const output = await OutputFolder.open(outputDir, { precision, block, source, shard: null }, progress);
    await copyFiles(modelDir, outputDir, await companionsOf(modelDir));
    if (target === null) await writeConfig(output, modelDir, precision);
    const wasWritten = await writeFiles(output, files, progress);
    if (files.length > 1) {
      const { name, text } = indexText(files.map(indexed));
      await output.writeText(name, text);
    }
    await output.complete();
    return { dir: outputDir, numBytes: output.numBytes, wasWritten };
  });
}

/** A file and what becomes of it. */
export interface PlannedFile extends Pick<WeightFile, "name" | "metadata"> {
  readonly planned: readonly PlannedTensor[];
}

/** Writes the files that are not there yet; returns whether there were any. */
export async function writeFiles(
  output: OutputFolder,
  files: readonly PlannedFile[],
  progress: Progress,
): Promise<boolean> {
  const missing = files.filter(({ name }) => !output.has(name));
  progress.begin(
    "converting",
    missing.reduce((sum, file) => sum + sizeOf(file), 0),
  );
  const buffers = createSlabBuffers();
  for (const { name, metadata, planned } of missing) {
    const file = output.begin(name, planned, metadata);
    await publishing([file], () => streamAll(planned, file, buffers, progress));
  }
  return missing.length > 0;
}

/** Publishes files that were filled; those that were not, for whatever reason, are removed. */
export async function publishing(files: readonly OpenOutput[], fill: () => Promise<void>): Promise<void> {
  const unpublished = new Set(files);
  try {
    await fill();
    for (const file of files) {
      await file.publish();
      unpublished.delete(file);
    }
  } finally {
    for (const file of unpublished) await file.discard();
  }
}

async function streamAll(
  tensors: readonly PlannedTensor[],
  { write }: OpenOutput,
  buffers: SlabBuffers,
  progress: Progress,
): Promise<void> {
  for (const { name, stream } of tensors) {
    await stream(buffers, (bytes) => {
      write(bytes);
      progress.advance(name, bytes.byteLength);
    });
  }
}

function sizeOf({ planned }: PlannedFile): number {
  return planned.reduce((sum, tensor) => sum + plannedBytes(tensor), 0);
}

function indexed(file: PlannedFile) {
  return { name: file.name, tensors: file.planned.map(({ name }) => name), numBytes: sizeOf(file) };
}

const TYPE_NAMES = { fp32: "float32", bf16: "bfloat16", fp16: "float16" } as const;

/** Other programs load weights in the type that config.json names, whatever the files hold. */
async function writeConfig(
  output: OutputFolder,
  modelDir: string,
  precision: WeightPrecision,
): Promise<void> {
  const config = JSON.parse(await readFile(join(modelDir, "config.json"), "utf8")) as Record<string, unknown>;
  const name = TYPE_NAMES[precision as keyof typeof TYPE_NAMES];
  const stale = ["torch_dtype", "dtype"].filter((key) => key in config && config[key] !== name);
  if (stale.length === 0) return;
  for (const key of stale) config[key] = name;
  await output.writeText("config.json", `${JSON.stringify(config, null, 2)}\n`);
}
