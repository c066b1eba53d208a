/** The thread of one rank of a RankTeam: does what it is told, answers with what came of it. */
import { parentPort, workerData } from "node:worker_threads";
import { AllGather } from "../../src/execution/all-gather.ts";
import { createModelRunner, type ModelRunner } from "../../src/execution/model-runner.ts";
import { tensor } from "../../src/execution/onnx-runtime.ts";
import { RankChain } from "../../src/execution/rank-chain.ts";
import { RopeFeeds } from "../../src/execution/rope-feeds.ts";
import { allRows } from "../../src/execution/step-rows.ts";
import type { ExecutionBatch } from "../../src/scheduling/step-plan.ts";
import type { RankJob, RankSetup } from "./rank-team.ts";

const TIMEOUT_MS = 20_000;
const { rank } = workerData as { readonly rank: number };
let setup: RankSetup | null = null;
let runner: ModelRunner | null = null;

parentPort!.on("message", (job: RankJob) => {
  try {
    parentPort!.postMessage({ value: run(job) });
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    parentPort!.postMessage({ failure: { code, message } });
  }
});

function run(job: RankJob): unknown {
  switch (job.kind) {
    case "load": {
      runner?.release();
      setup = job.setup;
      const { compiled, allGather, kv, logits } = setup;
      const { dir, model } = compiled[rank]!;
      runner = createModelRunner({
        compiledDir: dir,
        model,
        kv: kv[rank]!,
        logits,
        numThreads: 1,
        maxNumBatchedTokens: 64,
        allGather: { memory: allGather, timeoutMs: TIMEOUT_MS },
      });
      runner.warmUp();
      return null;
    }
    case "execute":
      return runner!.execute(job.batch);
    case "chain":
      return hiddenStates(job.batch, setup!);
    case "end":
      runner?.release();
      setImmediate(() => parentPort!.close());
      return null;
  }
}

/** The hidden rows ahead of each layer, with every query taken for the attention's answer. */
function hiddenStates(batch: ExecutionBatch, { compiled, allGather }: RankSetup): Float32Array[] {
  const { dir, model } = compiled[rank]!;
  const reduce = new AllGather({ memory: allGather, rank, timeoutMs: TIMEOUT_MS });
  reduce.join();
  const chain = new RankChain({ compiledDir: dir, model, numThreads: 1 }, reduce);
  const rows = allRows(batch, model.prefixAttention);
  const feeds = {
    ids: tensor("int64", BigInt64Array.from(batch.tokenIds, BigInt), [batch.tokenIds.length]),
    positions: tensor("int32", rows.positions, [rows.positions.length]),
    ...new RopeFeeds(model, model.maxPositions).rows(rows),
  };
  let inputs = chain.enterLayer(0, feeds);
  const states = [(inputs.x.data as Float32Array).slice()];
  for (let layer = 1; layer < model.numLayers; layer++) {
    inputs = chain.enterLayer(layer, { ...feeds, att: inputs.q, x: inputs.x });
    states.push((inputs.x.data as Float32Array).slice());
  }
  chain.finish({ att: inputs.q, x: inputs.x });
  chain.release();
  return states;
}
