/** Makes everything the cast needs from a configuration, and starts it. */
import { basename, resolve } from "node:path";
import type { TroupeConfig } from "../src/config/config.ts";
import { TroupeError } from "../src/errors/troupe-error.ts";
import { createActorSystem } from "../src/hosts/create-actor-system.ts";
import { defaultCacheDir } from "../src/model/cache-dir.ts";
import { type CompileResult, compileModel } from "../src/model/compile/compile-model.ts";
import type { OnProgress } from "../src/model/compile/progress.ts";
import { type ModelFolder, readModelFolder } from "../src/model/model-folder.ts";
import type { ModelInfo } from "../src/protocol/engine.ts";
import type { ActorSystem } from "../src/runtime/actor-system.ts";
import type { ActorRef, LogSink } from "../src/runtime/actor-types.ts";
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

/** @throws TroupeError as `startEngine`; everything that had started is stopped again */
export async function startCast(config: TroupeConfig, options: StartEngineOptions): Promise<StartedCast> {
  const modelDir = resolve(config.model.path);
  const folder = await readModelFolder(modelDir);
  const compiled = await compileModel({
    modelDir,
    precision: config.model.precision,
    cacheDir: config.model.cacheDir ?? defaultCacheDir(),
    ...(options.onProgress && { onProgress: options.onProgress }),
    ...(options.signal && { signal: options.signal }),
  });
  const sizes = engineSizes(config.engine, compiled.model);
  const system = options.system ?? createActorSystem(options.log === undefined ? {} : { log: options.log });
  const stop = (): Promise<void> => (options.system === undefined ? system.shutdown() : stopCast(system));
  try {
    await system.supervise(cast(castArgs(config, folder, compiled, sizes, options)));
    return { system, info: await describe(config, folder, compiled, sizes, system), stop };
  } catch (error) {
    await stop();
    throw error;
  }
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
  compiled: CompileResult,
  sizes: EngineSizes,
  { admission = { actor: SCHEDULER.actor } }: StartEngineOptions,
): CastArgs {
  const { dir: compiledDir, model } = compiled;
  const { vocabSize } = model;
  const { maxNumSeqs, maxNumBatchedTokens, maxQueuedRequests, policy, pageSize, prefixCache } = config.engine;
  const { numPages, maxLogitRows, maxModelLen, numThreads } = sizes;
  const hasTokenizer = !config.model.skipTokenizerInit;
  const limits = { maxNumSeqs, maxNumBatchedTokens, maxLogitRows, maxModelLen, maxQueuedRequests };
  const { eosTokenIds } = folder;
  const wholePrompts = model.prefixAttention !== null;
  return {
    tokenizerPool: hasTokenizer
      ? { modelDir: folder.dir, maxPromptTokens: maxModelLen, ...config.tokenizer }
      : null,
    edge: { hasTokenizer, admission },
    kvStore: { layouts: [kvLayout(model, config.engine, numPages)], maxLogitRows, vocabSize },
    modelAgents: [{ rank: 0, compiledDir, model, numThreads, maxNumBatchedTokens, maxModelLen }],
    scheduler: {
      options: { ...limits, policy, vocabSize, eosTokenIds, wholePrompts },
      kv: { numPages, pageSize, prefixCache: prefixCache && !wholePrompts },
      numRanks: 1,
      stepTimeoutMs: config.engine.stepTimeoutMs,
    },
    restarts: { maxRestarts: config.engine.maxRestarts, windowMs: config.engine.restartWindowMs },
  };
}

async function describe(
  config: TroupeConfig,
  folder: ModelFolder,
  { model }: CompileResult,
  { maxModelLen }: EngineSizes,
  system: ActorSystem,
): Promise<ModelInfo> {
  const { servedNames, skipTokenizerInit } = config.model;
  const isPrefixCached = config.engine.prefixCache && model.prefixAttention === null;
  const text = skipTokenizerInit ? null : await system.ask(TOKENIZER_POOL, "info", null);
  return {
    names: servedNames.length > 0 ? servedNames : [basename(folder.dir)],
    architecture: model.architecture,
    precision: model.precision,
    kvDtype: config.engine.kvDtype,
    maxModelLen,
    vocabSize: model.vocabSize,
    hasTokenizer: text !== null,
    hasChatTemplate: text?.hasChatTemplate ?? false,
    eosTokenIds: folder.eosTokenIds,
    kvCache: { pageSize: config.engine.pageSize, dtype: "float32", isPrefixCached },
    defaultParams: folder.defaultParams,
    createdAt: Math.floor(Date.now() / 1000),
  };
}
