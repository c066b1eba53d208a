/** One rank of the all-gather tests: does a number of rounds, then what its behaviour says. */
import { createHash } from "node:crypto";
import { parentPort, workerData } from "node:worker_threads";
import { AllGather } from "../../src/execution/all-gather.ts";
import { columnsOf, type RankTask } from "./gathered-columns.ts";

const task = workerData as RankTask;
const { memory, rank, numRounds, width, timeoutMs, ending } = task;
const stop = new Int32Array(task.stop);
const shouldStop = () => Atomics.load(stop, 0) === 1;
const gather = new AllGather({ memory, rank, timeoutMs, shouldStop });
gather.join();

try {
  const digest = runRounds();
  if (ending === "poison") gather.poison("failed");
  if (ending === "one-more-round") gather.gather([{ data: columnsOf(rank, numRounds, width), width }]);
  parentPort!.postMessage({ digest });
} catch (error) {
  const { code, message } = error as Error & { code: string };
  parentPort!.postMessage({ code, message });
}

/** The bits of every round's rows, as a hash. */
function runRounds(): string {
  const hash = createHash("sha256");
  for (let round = 0; round < numRounds; round++) {
    const [whole] = gather.gather([{ data: columnsOf(rank, round, width), width }]);
    hash.update(whole!);
  }
  return hash.digest("hex");
}
