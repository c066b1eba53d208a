/** Makes everything the cast needs from a configuration, and starts it. */
import { basename, resolve } from "node:path";
import type { EngineConfig, TroupeConfig } from "../src/config/config.ts";
import { CPU, type DeviceKind, parseDevice } from "../src/config/device.ts";
import { TroupeError } from "../src/errors/troupe-error.ts";
import { createActorSystem } from "../src/hosts/create-actor-system.ts";
import { defaultCacheDir } from "../src/model/cache-dir.ts";
import { type CompileResult, compileModel } from "../src/model/compile/compile-model.ts";
import type { OnProgress } from "../src/model/compile/progress.ts";
import { type ModelFolder, readModelFolder } from "../src/model/model-folder.ts";
import { findShards } from "../src/model/shards/find-shards.ts";
import type { ModelInfo } from "../src/protocol/engine.ts";
import { resolveToolParser } from "../src/protocol/tools/tool-parser.ts";
import type { ActorSystem } from "../src/runtime/actor-system.ts";
import type { ActorRef, LogSink } from "../src/runtime/actor-types.ts";
import type { BatchingOptions } from "../src/scheduling/batching-options.ts";
import { CAST, type CastArgs, cast } from "./cast.ts";
import { type EngineSizes, engineSizes, kvLayout } from "./engine-sizes.ts";
import { type AdmissionProtocol, SCHEDULER, TOKENIZER_POOL } from "./messages.ts";

/** What else an engine can be given. */
export interface StartEngineOptions {
  /** Where the actors' log records go; nowhere when absent. A `system` of yours has a log of its own. */
  readonly log?: LogSink;
  /**
   * Runs the cast among actors of your own, which can then talk to it; one engine a system. It stays yours to shut down:
   * `engine.stop()` ends the cast alone. Default: a system of the engine's own.
   */
  readonly system?: ActorSystem;
  /**
   * An actor of `system` that stands between edge and scheduler: every request is submitted to it, also again after a
   * restart, and it passes on to `SCHEDULER` or throws a TroupeError, which the client gets. Default: the scheduler.
   */
  readonly admission?: ActorRef<AdmissionProtocol>;
  /** Called while the model is read and compiled; not at all when the cache has it. */
  readonly onProgress?: OnProgress;
  /** Stops the compilation; nothing of it remains. */
  readonly signal?: AbortSignal;
}

/** A cast that runs. */
export interface StartedCast {
  readonly system: ActorSystem;
  readonly info: ModelInfo;
  /** Ends the cast, and the system unless it was given. */
  stop(): Promise<void>;
}

/** What a cast is started from. */
export interface CastPlan {
  readonly args: CastArgs;
  /** What the cast serves, once it runs on `system`. */
  describe(system: ActorSystem): Promise<ModelInfo>;
}

/** @throws TroupeError as `startEngine`; everything that had started is stopped again */
export async function startCast(config: TroupeConfig, options: StartEngineOptions): Promise<StartedCast> {
  const plan = await planCast(config, options);
  const system = options.system ?? createActorSystem(options.log === undefined ? {} : { log: options.log });
  const stop = (): Promise<void> => (options.system === undefined ? system.shutdown() : stopCast(system));
  try {
    await system.supervise(cast(plan.args));
    return { system, info: await plan.describe(system), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Compiles the model if need be and decides on all sizes; starts nothing. @throws TroupeError as `startEngine` */
export async function planCast(config: TroupeConfig, options: StartEngineOptions): Promise<CastPlan> {
  const modelDir = resolve(config.model.path);
  await requireDevices(config.engine.devices);
  const folder = await readModelFolder(modelDir);
  const ranks = await compileRanks(modelDir, config, options);
  const sizes = engineSizes(
    config.engine,
    ranks.map(({ model }) => model),
  );
  return {
    args: castArgs(config, folder, ranks, sizes, options),
    describe: (system) => describe(config, folder, ranks[0]!, sizes, system),
  };
}

/** Loads ONNX Runtime on this thread only where there is a device to try. */
async function requireDevices(devices: readonly string[]): Promise<void> {
  const others = new Set(devices.filter((name) => !name.startsWith("cpu")));
  if (others.size === 0) return;
  const { requireDevice } = await import("../src/execution/require-device.ts");
  for (const name of others) requireDevice(name);
}

/** The whole model for a single rank, else the part of each. */
async function compileRanks(
  modelDir: string,
  config: TroupeConfig,
  { onProgress, signal }: StartEngineOptions,
): Promise<CompileResult[]> {
  const size = await numRanks(modelDir, config.engine);
  const ranks: CompileResult[] = [];
  for (let rank = 0; rank < size; rank++) {
    const compiled = await compileModel({
      modelDir,
      precision: config.model.precision,
      cacheDir: config.model.cacheDir ?? defaultCacheDir(),
      ...(size > 1 && { place: { rank, size } }),
      ...(onProgress && { onProgress }),
      ...(signal && { signal }),
    });
    ranks.push(compiled);
  }
  return ranks;
}

/** Shards were cut for so many ranks, each of which reads its own then; any other number works too. */
async function numRanks(modelDir: string, { tensorParallel, devices }: EngineConfig): Promise<number> {
  if (tensorParallel !== null) return tensorParallel;
  if (devices.length > 0) return devices.length;
  return (await findShards(modelDir))?.strategy.size ?? 1;
}

/** The cast may never have started. */
async function stopCast(system: ActorSystem): Promise<void> {
  try {
    await system.stop({ actor: CAST });
  } catch (error) {
    if (!(error instanceof TroupeError && error.code === "actor_not_found")) throw error;
  }
}

function castArgs(
  config: TroupeConfig,
  folder: ModelFolder,
  ranks: readonly CompileResult[],
  sizes: EngineSizes,
  { admission = { actor: SCHEDULER.actor } }: StartEngineOptions,
): CastArgs {
  const { model } = ranks[0]!;
  const { vocabSize, hiddenSize } = model;
  const { maxNumSeqs, maxNumBatchedTokens, maxQueuedRequests, policy, pageSize, prefixCache } = config.engine;
  const { numPages, maxLogitRows, maxModelLen, numThreads } = sizes;
  const { rankTimeoutMs, devices, maxAnswerTokens, maxPromptTokens, longPrompts } = config.engine;
  const hasTokenizer = !config.model.skipTokenizerInit;
  const limits = {
    maxNumSeqs,
    maxNumBatchedTokens,
    maxLogitRows,
    maxModelLen,
    maxAnswerTokens,
    maxQueuedRequests,
  };
  const { eosTokenIds } = folder;
  const wholePrompts = model.prefixAttention !== null;
  const maxStepTokens = wholePrompts ? maxNumBatchedTokens + maxModelLen : maxNumBatchedTokens;
  return {
    tokenizerPool: hasTokenizer
      ? { modelDir: folder.dir, maxPromptTokens: maxModelLen, ...config.tokenizer }
      : null,
    edge: { hasTokenizer, promptLimits: { maxPromptTokens, longPrompts, maxModelLen }, admission },
    kvStore: {
      layouts: ranks.map((rank) => kvLayout(rank.model, config.engine, numPages)),
      maxLogitRows,
      vocabSize,
    },
    allReduce: ranks.length === 1 ? null : { numRanks: ranks.length, slotLength: maxStepTokens * hiddenSize },
    modelAgents: ranks.map(({ dir, model }, rank) => ({
      rank,
      compiledDir: dir,
      model,
      numThreads,
      maxNumBatchedTokens,
      maxModelLen,
      rankTimeoutMs,
      device: devices[rank] ?? "cpu:0",
    })),
    sampler: { hasTokenizer },
    scheduler: {
      options: {
        ...limits,
        policy,
        batching: batchingOf(config.engine),
        vocabSize,
        eosTokenIds,
        wholePrompts,
      },
      kv: { numPages, pageSize, prefixCache: prefixCache && !wholePrompts },
      numRanks: ranks.length,
      stepTimeoutMs: config.engine.stepTimeoutMs,
    },
    restarts: { maxRestarts: config.engine.maxRestarts, windowMs: config.engine.restartWindowMs },
  };
}

function batchingOf(engine: EngineConfig): BatchingOptions {
  const { phases, maxPrefillSeqs, maxPrefillTokens, prefillDelayMs } = engine;
  const { prefillCostMs, decodeCostMs, maxPreemptions } = engine;
  const limits = { maxPrefillSeqs, maxPrefillTokens, maxPreemptions };
  return { phases, ...limits, prefillDelayMs, prefillCostMs, decodeCostMs };
}

async function describe(
  config: TroupeConfig,
  folder: ModelFolder,
  { model }: CompileResult,
  { maxModelLen }: EngineSizes,
  system: ActorSystem,
): Promise<ModelInfo> {
  const { servedNames, skipTokenizerInit, toolParser } = config.model;
  const isPrefixCached = config.engine.prefixCache && model.prefixAttention === null;
  const text = skipTokenizerInit ? null : await system.ask(TOKENIZER_POOL, "info", null);
  return {
    names: servedNames.length > 0 ? servedNames : [basename(folder.dir)],
    architecture: model.architecture,
    precision: model.precision,
    kvDtype: config.engine.kvDtype,
    maxModelLen,
    maxNumSeqs: config.engine.maxNumSeqs,
    deviceKind: deviceKindOf(config.engine.devices),
    vocabSize: model.vocabSize,
    hasTokenizer: text !== null,
    hasChatTemplate: text?.hasChatTemplate ?? false,
    toolParser: resolveToolParser(toolParser, text?.chatTemplate ?? null, model.architecture),
    eosTokenIds: folder.eosTokenIds,
    kvCache: { pageSize: config.engine.pageSize, isPrefixCached },
    defaultParams: folder.defaultParams,
    createdAt: Math.floor(Date.now() / 1000),
  };
}

/** All ranks of an engine run on devices of one kind in practice; the first stands for them. */
function deviceKindOf([first]: readonly string[]): DeviceKind {
  return (first === undefined ? null : parseDevice(first))?.kind ?? CPU.kind;
}
