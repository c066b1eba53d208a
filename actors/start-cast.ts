/** Makes everything the cast needs from a configuration, and starts it. */
import { basename } from "node:path";
import type { EngineConfig, TroupeConfig } from "../src/config/config.ts";
import { CPU, type DeviceKind, parseDevice } from "../src/config/device.ts";
import { TroupeError } from "../src/errors/troupe-error.ts";
import { createActorSystem } from "../src/hosts/create-actor-system.ts";
import type { OnProgress } from "../src/model/compile/progress.ts";
import type { ModelFolder } from "../src/model/model-folder.ts";
import type { EngineLimits, ModelInfo } from "../src/protocol/engine.ts";
import { resolveToolParser } from "../src/protocol/tools/tool-parser.ts";
import type { ActorSystem } from "../src/runtime/actor-system.ts";
import type { ActorRef, LogSink } from "../src/runtime/actor-types.ts";
import type { BatchingOptions } from "../src/scheduling/batching-options.ts";
import type { AllGatherArgs } from "./all-gather-actor.ts";
import { CAST, type CastArgs, cast } from "./cast.ts";
import { type EngineSizes, engineSizes, kvLayout } from "./engine-sizes.ts";
import { type AdmissionProtocol, SCHEDULER, TOKENIZER_POOL } from "./messages.ts";
import { type OpenedModel, openModel, type RankModel, traitsOf } from "./rank-models.ts";

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
export async function planCast(given: TroupeConfig, options: StartEngineOptions): Promise<CastPlan> {
  await requireDevices(given.engine.devices);
  const opened = await openModel(given, options);
  const { folder, ranks } = opened;
  const config = withPagesFor(ranks[0]!, given);
  const sizes = engineSizes(
    config.engine,
    ranks.map(({ model }) => model),
  );
  return {
    args: castArgs(config, opened, sizes, options),
    describe: (system) => describe(config, folder, ranks[0]!, ranks.length, sizes, system),
  };
}

/** Pages in the form that the model needs, where it needs one. */
function withPagesFor(rank: RankModel, config: TroupeConfig): TroupeConfig {
  if (!traitsOf(rank).needsExactPages) return config;
  return { ...config, engine: { ...config.engine, kvDtype: "f32" } };
}

/** Loads ONNX Runtime on this thread only where there is a device to try. */
async function requireDevices(devices: readonly string[]): Promise<void> {
  const others = new Set(devices.filter((name) => !name.startsWith("cpu")));
  if (others.size === 0) return;
  const { requireDevice } = await import("../src/execution/require-device.ts");
  for (const name of others) requireDevice(name);
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
  { folder, ranks, postSampling }: OpenedModel,
  sizes: EngineSizes,
  { admission = { actor: SCHEDULER.actor } }: StartEngineOptions,
): CastArgs {
  const first = ranks[0]!;
  const { vocabSize } = first.model;
  const { wholePrompts, maxPromptLen } = traitsOf(first);
  const { maxNumSeqs, maxNumBatchedTokens, maxQueuedRequests, policy, pageSize, prefixCache } = config.engine;
  const { numPages, maxLogitRows, maxModelLen, numThreads } = sizes;
  const { rankTimeoutMs, devices, maxAnswerTokens, longPrompts, maxDraftTokens } = config.engine;
  const maxPromptTokens = smaller(config.engine.maxPromptTokens, maxPromptLen);
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
    allGather: gatheringOf(first, maxStepTokens),
    modelAgents: ranks.map((source, rank) => ({
      rank,
      source,
      numThreads,
      maxNumBatchedTokens,
      maxModelLen,
      rankTimeoutMs,
      device: devices[rank] ?? "cpu:0",
    })),
    sampler: { hasTokenizer, postSampling },
    scheduler: {
      options: {
        ...limits,
        policy,
        batching: batchingOf(config.engine),
        vocabSize,
        eosTokenIds,
        wholePrompts,
        maxDraftTokens,
      },
      kv: { numPages, pageSize, prefixCache: prefixCache && !wholePrompts },
      numRanks: ranks.length,
      stepTimeoutMs: config.engine.stepTimeoutMs,
    },
    restarts: { maxRestarts: config.engine.maxRestarts, windowMs: config.engine.restartWindowMs },
  };
}

/** Null sets no limit. */
function smaller(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.min(a, b);
}

/** What several ranks of a compiled model exchange at a time; one alone exchanges nothing. */
function gatheringOf(rank: RankModel, maxTokens: number): AllGatherArgs | null {
  const part = rank.kind === "graphs" ? null : rank.model.part;
  return part && { numRanks: part.numRanks, maxFloats: maxTokens * part.gatheredWidth };
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
  rank: RankModel,
  numRanks: number,
  { maxModelLen }: EngineSizes,
  system: ActorSystem,
): Promise<ModelInfo> {
  const { servedNames, skipTokenizerInit, toolParser } = config.model;
  const { model } = rank;
  const { precision, wholePrompts } = traitsOf(rank);
  const isPrefixCached = config.engine.prefixCache && !wholePrompts;
  const text = skipTokenizerInit ? null : await system.ask(TOKENIZER_POOL, "info", null);
  return {
    names: servedNames.length > 0 ? servedNames : [basename(folder.dir)],
    architecture: model.architecture,
    precision,
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
    limits: engineLimits(config.engine, numRanks),
    defaultParams: folder.defaultParams,
    createdAt: Math.floor(Date.now() / 1000),
  };
}

function engineLimits(engine: EngineConfig, numRanks: number): EngineLimits {
  const { maxNumBatchedTokens, maxPromptTokens, maxAnswerTokens, maxPrefillSeqs, maxPrefillTokens } = engine;
  return {
    maxNumBatchedTokens,
    maxPromptTokens,
    maxAnswerTokens,
    maxPrefillSeqs,
    maxPrefillTokens,
    numRanks,
  };
}

/** All ranks of an engine run on devices of one kind in practice; the first stands for them. */
function deviceKindOf([first]: readonly string[]): DeviceKind {
  return (first === undefined ? null : parseDevice(first))?.kind ?? CPU.kind;
}
