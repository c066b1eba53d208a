/** One rank of the all-reduce tests: does a number of rounds, then what its behaviour says. */
import { createHash } from "node:crypto";
import { parentPort, workerData } from "node:worker_threads";
import { AllReduce } from "../../src/execution/all-reduce.ts";
import type { RankTask } from "./all-reduce.test.ts";

const task = workerData as RankTask;
const { memory, rank, numRounds, length, timeoutMs, ending } = task;
const stop = new Int32Array(task.stop);
const shouldStop = () => Atomics.load(stop, 0) === 1;
const reduce = new AllReduce({ memory, rank, timeoutMs, shouldStop });
reduce.join();

try {
  const digest = runRounds();
  if (ending === "poison") reduce.poison("failed");
  if (ending === "one-more-round") reduce.exchange(length);
  parentPort!.postMessage({ digest });
} catch (error) {
  const { code, message } = error as Error & { code: string };
  parentPort!.postMessage({ code, message });
}

/** The bits of every round's sum, as a hash. */
function runRounds(): string {
  const hash = createHash("sha256");
  for (let round = 0; round < numRounds; round++) {
    const slot = reduce.slot(length);
    for (let i = 0; i < length; i++) slot[i] = Math.sin(1 + i * 7 + round * 31 + rank * 101);
    const [first, ...others] = reduce.exchange(length);
    const sum = first!.slice();
    for (const other of others) for (let i = 0; i < length; i++) sum[i]! += other[i]!;
    hash.update(sum);
  }
  return hash.digest("hex");
}
