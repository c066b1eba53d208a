/**
 * One rank of the model: runs the sessions of its shard over its KV pages, and tells the sampler when the logits of a
 * step lie in shared memory. What runs is the scheduler's decision alone.
 */
import { createModelRunner, type ModelRunner } from "../src/execution/model-runner.ts";
import type { CompiledModel } from "../src/model/compiled-model.ts";
import { defineActor } from "../src/runtime/actor-definition.ts";
import { KV_STORE, type ModelAgentProtocol, SAMPLER } from "./messages.ts";

/** What a rank runs and with how much. */
export interface ModelAgentArgs {
  readonly rank: number;
  readonly compiledDir: string;
  readonly model: CompiledModel;
  readonly numThreads: number;
  readonly maxNumBatchedTokens: number;
  readonly maxModelLen: number;
}

interface ModelAgentState {
  readonly rank: number;
  readonly runner: ModelRunner;
}

export default defineActor<ModelAgentProtocol, ModelAgentArgs, ModelAgentState>({
  async init(ctx, { rank, ...args }) {
    const { kv, logits } = await ctx.ask(KV_STORE, "attach", null);
    const runner = createModelRunner({
      ...args,
      kv: kv[rank]!,
      logits,
      shouldStop: () => ctx.stopRequested(),
    });
    runner.warmUp();
    return { rank, runner };
  },
  handlers: {
    execute({ rank, runner }, { epoch, batch }, ctx) {
      const startMs = performance.now();
      runner.execute(batch);
      const executeMs = performance.now() - startMs;
      if (rank === 0) ctx.tell(SAMPLER, "logits", { epoch, step: batch.step, executeMs });
    },
  },
  onStop: ({ runner }) => runner.release(),
});
