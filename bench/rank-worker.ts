/** One rank of bench/ranks.ts: runs the cases it is told of, and says how long steps and waiting took. */
import { parentPort, workerData } from "node:worker_threads";
import { createModelRunner, type ModelRunnerOptions } from "../src/execution/model-runner.ts";
import type { ExecutionBatch } from "../src/scheduling/step-plan.ts";

/** A step to run so many times. */
export interface RankCase {
  readonly batch: ExecutionBatch;
  readonly repeats: number;
}

/** What a rank measured. */
export interface RankTimes {
  /** Of each step, ascending. */
  readonly stepMs: readonly number[];
  /** Part of the time of all steps that went into waiting for other ranks. */
  readonly waitShare: number;
}

const runner = createModelRunner(workerData as ModelRunnerOptions);
runner.warmUp();
parentPort!.postMessage(null);

parentPort!.on("message", (job: RankCase | null) => {
  if (job === null) {
    runner.release();
    setImmediate(() => parentPort!.close());
  } else {
    parentPort!.postMessage(measure(job));
  }
});

function measure({ batch, repeats }: RankCase): RankTimes {
  runner.execute(batch);
  const startWaitMs = runner.waitMs;
  const stepMs = Array.from({ length: repeats }, () => {
    const start = performance.now();
    runner.execute(batch);
    return performance.now() - start;
  });
  const totalMs = stepMs.reduce((sum, ms) => sum + ms, 0);
  stepMs.sort((a, b) => a - b);
  return { stepMs, waitShare: (runner.waitMs - startWaitMs) / totalMs };
}
