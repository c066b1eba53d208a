/** The steps that warm-up runs. */
import type { KvMemory } from "../kv/kv-memory.ts";
import type { CompiledModel } from "../model/compiled-model.ts";
import type { ExecutionBatch } from "../scheduling/step-plan.ts";

/** What bounds the largest step. */
export interface WarmUpOptions {
  readonly model: Pick<CompiledModel, "layout" | "maxPositions" | "attention">;
  readonly kv: Pick<KvMemory, "layout">;
  readonly maxNumBatchedTokens: number;
}

/** A step, and how many layers it passes before the last segment. */
export interface WarmUpStep {
  readonly batch: ExecutionBatch;
  readonly numLayers: number;
}

/**
 * Of blocks, one prompt as long as a step can carry, which sizes the arena of every kind of attention and goes no further than
 * that takes: dense segments keep nothing from run to run, and their weights are in memory once they are loaded. Then, and
 * for stacks alone, a single token through all layers.
 */
export function warmUpSteps({ model, kv, maxNumBatchedTokens }: WarmUpOptions): WarmUpStep[] {
  const { numPages, pageSize } = kv.layout;
  const largest = Math.min(maxNumBatchedTokens, numPages * pageSize, model.maxPositions);
  const numLayers = model.attention.length;
  const single = { batch: promptOf(1, pageSize), numLayers };
  if (model.layout === "stacks") return [single];
  const reached = Math.min(numLayers, layersUntilAllKinds(model) + 1);
  return [{ batch: promptOf(largest, pageSize), numLayers: reached }, single];
}

/** The last layer of a step attends for few rows only, hence one more above. */
function layersUntilAllKinds({ attention }: WarmUpOptions["model"]): number {
  const kinds = attention.map((spec) => JSON.stringify(spec));
  return 1 + Math.max(...new Set(kinds.map((kind) => kinds.indexOf(kind))));
}

/** A prompt of zeros at the first pages; its last token's logits are wanted. */
function promptOf(numTokens: number, pageSize: number): ExecutionBatch {
  const numPages = Math.ceil(numTokens / pageSize);
  return {
    step: 0,
    tokenIds: new Int32Array(numTokens),
    tokenStarts: Int32Array.of(0, numTokens),
    contextLens: Int32Array.of(0),
    promptLens: Int32Array.of(numTokens),
    blockStarts: Int32Array.of(0, numPages),
    blockTables: Int32Array.from({ length: numPages }, (_, page) => page),
    logitTokens: Int32Array.of(numTokens - 1),
    pageCopies: new Int32Array(0),
  };
}
