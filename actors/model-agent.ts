/**
 * One rank of the model: runs the sessions of its shard over its KV pages. Ranks meet at the end of a step, and rank 0
 * tells the sampler that the logits lie in shared memory. What runs is the scheduler's decision alone.
 */

import { CPU, parseDevice } from "../src/config/device.ts";
import { createModelRunner, type ModelRunner } from "../src/execution/model-runner.ts";
import type { CompiledModel } from "../src/model/compiled-model.ts";
import { defineActor } from "../src/runtime/actor-definition.ts";
import { ALL_REDUCE, KV_STORE, type ModelAgentProtocol, SAMPLER } from "./messages.ts";

/** What a rank runs and with how much. */
export interface ModelAgentArgs {
  readonly rank: number;
  readonly compiledDir: string;
  readonly model: CompiledModel;
  readonly numThreads: number;
  /** Where it computes, by name. */
  readonly device: string;
  /** How long the others may be waited for. */
  readonly rankTimeoutMs: number;
  readonly maxNumBatchedTokens: number;
  readonly maxModelLen: number;
}

/** A loaded rank and what it has done. */
export interface ModelAgentState {
  readonly rank: number;
  readonly runner: ModelRunner;
  numSteps: number;
  busyMs: number;
}

export default defineActor<ModelAgentProtocol, ModelAgentArgs, ModelAgentState>({
  async init(ctx, { rank, rankTimeoutMs: timeoutMs, device, ...args }) {
    const { kv, logits } = await ctx.ask(KV_STORE, "attach", null);
    const isAlone = args.model.part === null;
    const startMs = performance.now();
    const runner = createModelRunner({
      ...args,
      kv: kv[rank]!,
      logits,
      device: parseDevice(device) ?? CPU,
      allReduce: isAlone ? null : { memory: await ctx.ask(ALL_REDUCE, "attach", null), timeoutMs },
      shouldStop: () => ctx.stopRequested(),
    });
    runner.warmUp();
    const loadMs = Math.round(performance.now() - startMs);
    if (!isAlone) ctx.log("info", "The rank is loaded.", { rank, device, threads: args.numThreads, loadMs });
    return { rank, runner, numSteps: 0, busyMs: 0 };
  },
  handlers: {
    loaded: () => null,
    execute(state, { epoch, batch }, ctx) {
      const startMs = performance.now();
      const work = state.runner.execute(batch);
      const executeMs = performance.now() - startMs;
      state.numSteps++;
      state.busyMs += executeMs;
      if (state.rank === 0)
        ctx.tell(SAMPLER, "logits", { epoch, step: batch.step, work: { ...work, executeMs } });
    },
  },
  onStop({ rank, runner, numSteps, busyMs }, _reason, ctx) {
    const [steps, waiting] = [Math.round(busyMs), Math.round(runner.waitMs)];
    ctx.log("debug", "The rank stops.", { rank, numSteps, busyMs: steps, waitMs: waiting });
    runner.release();
  },
});
