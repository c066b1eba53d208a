/** One thread of the measurement of read bandwidth: searches memory for a byte that is not there, as fast as it can. */
import { parentPort, workerData } from "node:worker_threads";

/** What a reader is given. */
export interface ReaderTask {
  readonly memory: SharedArrayBuffer;
  readonly firstByte: number;
  readonly numBytes: number;
  /** Rises by one to start a round. */
  readonly round: SharedArrayBuffer;
  readonly numRounds: number;
}

const task = workerData as ReaderTask;
const bytes = Buffer.from(task.memory, task.firstByte, task.numBytes);
const round = new Int32Array(task.round);
bytes.fill(0); // the thread that reads it has it near
parentPort!.postMessage(null);
for (let number = 0; number < task.numRounds; number++) {
  Atomics.wait(round, 0, number);
  // memchr of the C library: vector loads, nothing written
  bytes.indexOf(1);
  parentPort!.postMessage(performance.timeOrigin + performance.now());
}
