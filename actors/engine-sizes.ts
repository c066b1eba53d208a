/** The engine's sizes that follow from configuration and model together, checked before anything is allocated. */
import { availableParallelism } from "node:os";
import type { EngineConfig } from "../src/config/config.ts";
import { TroupeError } from "../src/errors/troupe-error.ts";
import { type KvLayout, type KvPageShape, numPagesWithin } from "../src/kv/kv-memory.ts";
import type { RankModel } from "./rank-models.ts";

type Model = RankModel["model"];

/** See {@link engineSizes}. */
export interface EngineSizes {
  readonly numPages: number;
  readonly maxModelLen: number;
  /** Rows of logits that one step may produce. */
  readonly maxLogitRows: number;
  /** Of each rank. */
  readonly numThreads: number;
}

/** Prompt log-probabilities want a row for each token; more rows make them faster and take vocabSize floats each. */
const MIN_LOGIT_ROWS = 64;

/**
 * @param ranks the part of the model that each rank computes
 * @throws TroupeError `invalid_config` when the pages cannot hold one sequence of engine.maxModelLen
 */
export function engineSizes(config: EngineConfig, ranks: readonly Model[]): EngineSizes {
  const model = ranks[0]!;
  const numKvHeads = ranks.reduce((sum, rank) => sum + rank.numKvHeads, 0);
  const shape = { ...pageShape(model, config), numKvHeads };
  const numPages = config.numPages ?? numPagesWithin(shape, config.kvCacheMb * 2 ** 20);
  return {
    numPages,
    maxModelLen: maxModelLen(config, model, numPages * config.pageSize),
    maxLogitRows: Math.max(config.maxNumSeqs + config.maxDraftTokens, MIN_LOGIT_ROWS),
    numThreads: config.threads ?? threadsOfEach(ranks.length * config.dataParallel),
  };
}

/** The cores, shared among all ranks of all replicas. */
function threadsOfEach(numRanks: number): number {
  return Math.max(1, Math.floor(availableParallelism() / numRanks));
}

/** The layout of one rank's pages. */
export function kvLayout(model: Model, config: EngineConfig, numPages: number): KvLayout {
  return { ...pageShape(model, config), numPages };
}

function pageShape(
  { numLayers, numKvHeads, headDim }: Model,
  { pageSize, kvDtype }: EngineConfig,
): KvPageShape {
  return { numLayers, numKvHeads, headDim, pageSize, kvDtype };
}

function maxModelLen(config: EngineConfig, model: Model, poolTokens: number): number {
  const wanted = config.maxModelLen;
  if (wanted === null) return Math.min(model.maxPositions, poolTokens);
  if (wanted > model.maxPositions)
    throw invalid(
      `engine.maxModelLen is ${wanted}; the model has ${model.maxPositions} positions. Lower it.`,
    );
  if (wanted > poolTokens)
    throw invalid(
      `engine.maxModelLen is ${wanted}, but all KV pages together hold ${poolTokens} tokens. Raise engine.kvCacheMb or lower engine.maxModelLen.`,
    );
  return wanted;
}

function invalid(message: string): TroupeError {
  return new TroupeError("invalid_config", message);
}
