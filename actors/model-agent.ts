/**
 * One rank of the model: runs the sessions of its shard over its KV pages. Ranks meet at the end of a step, and rank 0
 * tells the sampler that the logits lie in shared memory. What runs is the scheduler's decision alone.
 */

import { CPU, parseDevice } from "../src/config/device.ts";
import { createGraphRunner } from "../src/execution/graph/graph-runner.ts";
import { createModelRunner, type ModelRunner } from "../src/execution/model-runner.ts";
import { type ActorContext, defineActor } from "../src/runtime/actor-definition.ts";
import { ALL_GATHER, KV_STORE, type ModelAgentProtocol, SAMPLER } from "./messages.ts";
import type { RankModel } from "./rank-models.ts";

/** What a rank runs and with how much. */
export interface ModelAgentArgs {
  readonly rank: number;
  readonly source: RankModel;
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
  async init(ctx, args) {
    const { rank, device, numThreads: threads } = args;
    const startMs = performance.now();
    const runner = await loadRunner(ctx, args);
    runner.warmUp();
    const loadMs = Math.round(performance.now() - startMs);
    if (!isAlone(args.source)) ctx.log("info", "The rank is loaded.", { rank, device, threads, loadMs });
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
      state.runner.settle();
    },
  },
  onStop({ rank, runner, numSteps, busyMs }, _reason, ctx) {
    const [steps, waiting] = [Math.round(busyMs), Math.round(runner.waitMs)];
    ctx.log("debug", "The rank stops.", { rank, numSteps, busyMs: steps, waitMs: waiting });
    runner.release();
  },
});

function isAlone(source: RankModel): boolean {
  return source.kind === "graphs" || source.model.part === null;
}

async function loadRunner(
  ctx: ActorContext<ModelAgentProtocol, ModelAgentState>,
  { rank, source, rankTimeoutMs: timeoutMs, device, ...limits }: ModelAgentArgs,
): Promise<ModelRunner> {
  const { kv, logits } = await ctx.ask(KV_STORE, "attach", null);
  const shared = {
    ...limits,
    kv: kv[rank]!,
    logits,
    device: parseDevice(device) ?? CPU,
    shouldStop: () => ctx.stopRequested(),
  };
  if (source.kind === "graphs") {
    const warn = (message: string, fields: Readonly<Record<string, unknown>>) =>
      ctx.log("warn", message, fields);
    return await createGraphRunner({ ...shared, model: source.model, warn });
  }
  const { compiledDir, model } = source;
  const memory = isAlone(source) ? null : await ctx.ask(ALL_GATHER, "attach", null);
  return createModelRunner({ ...shared, compiledDir, model, allGather: memory && { memory, timeoutMs } });
}
