/** What each rank of an engine runs: its part of a compiled model, or a model that others exported, as it is. */
import { resolve } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { EngineConfig, TroupeConfig } from "../src/config/config.ts";
import { defaultConfig } from "../src/config/defaults.ts";
import { parseDevice } from "../src/config/device.ts";
import { TroupeError } from "../src/errors/troupe-error.ts";
import { defaultCacheDir } from "../src/model/cache-dir.ts";
import { compileModel } from "../src/model/compile/compile-model.ts";
import type { CompiledModel } from "../src/model/compiled-model.ts";
import { type GraphModel, isRecomputed, needsWholePrompts } from "../src/model/graphs/graph-model.ts";
import { openGraphs } from "../src/model/graphs/open-graphs.ts";
import { openPostSampling, type PostSamplingGraphs } from "../src/model/graphs/post-sampling.ts";
import { type ModelFolder, readModelFolder } from "../src/model/model-folder.ts";
import { findShards } from "../src/model/shards/find-shards.ts";
import type { StartEngineOptions } from "./start-cast.ts";

/** Of one rank. Both kinds say the sizes of their keys and values alike. */
export type RankModel =
  | { readonly kind: "compiled"; readonly compiledDir: string; readonly model: CompiledModel }
  | { readonly kind: "graphs"; readonly model: GraphModel };

/** A folder, and what its ranks run. */
export interface OpenedModel {
  readonly folder: ModelFolder;
  /** At least one. */
  readonly ranks: readonly RankModel[];
  /** Graphs behind the logits; null where the host chooses alone. */
  readonly postSampling: PostSamplingGraphs | null;
}

/** What the rest of the engine must know of a model, beside its sizes. */
export interface ModelTraits {
  readonly precision: string;
  /** A prompt is computed in one step. */
  readonly wholePrompts: boolean;
  /** The longest prompt there is a graph for; null sets no limit. */
  readonly maxPromptLen: number | null;
  /** Pages must hold every number exactly: they hold tokens. */
  readonly needsExactPages: boolean;
}

/** Compiles the model if need be. @throws TroupeError as `startEngine` */
export async function openModel(config: TroupeConfig, options: StartEngineOptions): Promise<OpenedModel> {
  const opened = await openRanks(config, options);
  const { argmax, topk } = config.graphs;
  if (argmax === null && topk === null) return { ...opened, postSampling: null };
  const first = opened.ranks[0]!;
  const logitsType = first.kind === "graphs" ? first.model.decode.logitsType : "float32";
  const { vocabSize } = first.model;
  return { ...opened, postSampling: openPostSampling(config.graphs, { vocabSize, logitsType }) };
}

async function openRanks(
  config: TroupeConfig,
  options: StartEngineOptions,
): Promise<Pick<OpenedModel, "folder" | "ranks">> {
  const modelDir = resolve(config.model.path);
  const opened = await openGraphs(modelDir, config.graphs);
  if (opened === null) {
    checkCompiled(config);
    const folder = await readModelFolder(modelDir);
    return { folder, ranks: await compileRanks(modelDir, config, options) };
  }
  const numRanks = config.engine.tensorParallel ?? Math.max(1, config.engine.devices.length);
  if (numRanks > 1)
    throw new TroupeError(
      "invalid_config",
      `${opened.model.prefill.file} is a whole model, which one rank runs, and engine.tensorParallel or engine.devices asks for ${numRanks}. Serve its weights (*.safetensors) to split it.`,
    );
  if (config.model.precision !== null)
    throw new TroupeError(
      "invalid_config",
      `${opened.model.prefill.file} runs as it is, and model.precision asks for ${config.model.precision}. Leave it out; engine.kvDtype chooses the form of keys and values.`,
      { details: { path: "model.precision" } },
    );
  if (config.engine.maxDraftTokens > 0)
    throw new TroupeError(
      "invalid_config",
      `${opened.model.prefill.file} runs as it is, a token of an answer at a time, and engine.maxDraftTokens is ${config.engine.maxDraftTokens}. Leave it out, or serve the model's weights (*.safetensors).`,
      { details: { path: "engine.maxDraftTokens" } },
    );
  return { folder: opened.folder, ranks: [{ kind: "graphs", model: opened.model }] };
}

/** Keys that say how graphs are run mean nothing for a model that is compiled. */
function checkCompiled({ graphs, model }: TroupeConfig): void {
  const { argmax: _argmax, topk: _topk, ...defaults } = defaultConfig().graphs;
  for (const key of Object.keys(defaults) as (keyof typeof defaults)[]) {
    if (isDeepStrictEqual(graphs[key], defaults[key])) continue;
    throw new TroupeError(
      "invalid_config",
      `graphs.${key} says how graphs are run, but ${model.path} has none to be run as they are. Name them in graphs.prefill, or leave graphs.${key} out.`,
      { details: { path: `graphs.${key}` } },
    );
  }
}

export function traitsOf(rank: RankModel): ModelTraits {
  if (rank.kind === "graphs") {
    const { model } = rank;
    return {
      precision: "onnx",
      wholePrompts: needsWholePrompts(model),
      maxPromptLen: model.maxPromptLen,
      needsExactPages: isRecomputed(model),
    };
  }
  const { precision, prefixAttention } = rank.model;
  return { precision, wholePrompts: prefixAttention !== null, maxPromptLen: null, needsExactPages: false };
}

/** The whole model for a single rank, else the part of each. */
async function compileRanks(
  modelDir: string,
  config: TroupeConfig,
  { onProgress, signal }: StartEngineOptions,
): Promise<RankModel[]> {
  const size = await numRanks(modelDir, config.engine);
  const ranks: RankModel[] = [];
  for (let rank = 0; rank < size; rank++) {
    const { dir, model } = await compileModel({
      modelDir,
      precision: config.model.precision,
      cacheDir: config.model.cacheDir ?? defaultCacheDir(),
      ...(size > 1 && { place: { rank, size } }),
      layout: config.engine.devices.every((device) => parseDevice(device)?.kind === "cpu")
        ? "stacks"
        : "blocks",
      ...(onProgress && { onProgress }),
      ...(signal && { signal }),
    });
    ranks.push({ kind: "compiled", compiledDir: dir, model });
  }
  return ranks;
}

/** Shards were cut for so many ranks, each of which reads its own then; any other number works too. */
async function numRanks(modelDir: string, { tensorParallel, devices }: EngineConfig): Promise<number> {
  if (tensorParallel !== null) return tensorParallel;
  if (devices.length > 0) return devices.length;
  return (await findShards(modelDir))?.strategy.size ?? 1;
}
