/** The steps that warm-up runs. */
import type { KvMemory } from "../kv/kv-memory.ts";
import type { CompiledModel } from "../model/compiled-model.ts";
import type { ExecutionBatch } from "../scheduling/step-plan.ts";

/** What bounds the largest step. */
export interface WarmUpOptions {
  readonly model: Pick<CompiledModel, "maxPositions">;
  readonly kv: Pick<KvMemory, "layout">;
  readonly maxNumBatchedTokens: number;
}

/** One prompt as long as a step can carry, which sizes every arena, then a single token. */
export function warmUpBatches({ model, kv, maxNumBatchedTokens }: WarmUpOptions): ExecutionBatch[] {
  const { numPages, pageSize } = kv.layout;
  const largest = Math.min(maxNumBatchedTokens, numPages * pageSize, model.maxPositions);
  return [promptOf(largest, pageSize), promptOf(1, pageSize)];
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
