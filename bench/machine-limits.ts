/** What the machine can do at best, measured in the same minute as what is held against it. */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { siblingModule } from "../src/core/sibling-module.ts";
import { loadSession, tensor } from "../src/execution/onnx-runtime.ts";
import { GraphBuilder } from "../src/model/onnx/graph-builder.ts";
import type { ReaderTask } from "./memory-reader.ts";
import { coresOfOthers, processorTime } from "./processor-time.ts";
import type { LlamaShape } from "./random-checkpoint.ts";

/** See {@link measureLimits}. */
export interface MachineLimits {
  /** Bytes a second that all cores together read from memory. */
  readonly readBytesPerSecond: number;
  /** Multiplications and additions of 8-bit integers a second. */
  readonly int8OperationsPerSecond: number;
  /** Cores that were busy with something else meanwhile. */
  readonly coresOfOthers: number;
}

const BYTES_OF_THREAD = 2 ** 28;
const NUM_ROUNDS = 6;
/** Enough rows that the weights are read rarely. */
const PEAK_ROWS = 1024;

export async function measureLimits(
  shape: LlamaShape,
  numThreads = availableParallelism(),
): Promise<MachineLimits> {
  const before = processorTime();
  const readBytesPerSecond = await readBandwidth(numThreads);
  const int8OperationsPerSecond = int8Peak(shape, numThreads);
  const others = coresOfOthers(before, processorTime());
  return { readBytesPerSecond, int8OperationsPerSecond, coresOfOthers: others };
}

/** Best of some rounds in which every thread reads memory of its own. */
async function readBandwidth(numThreads: number): Promise<number> {
  const memory = new SharedArrayBuffer(numThreads * BYTES_OF_THREAD);
  const shared = new SharedArrayBuffer(4);
  const round = new Int32Array(shared);
  const workers = Array.from({ length: numThreads }, (_, thread) => {
    const workerData: ReaderTask = {
      memory,
      firstByte: thread * BYTES_OF_THREAD,
      numBytes: BYTES_OF_THREAD,
      round: shared,
      numRounds: NUM_ROUNDS,
    };
    return new Worker(siblingModule(import.meta.url, "./memory-reader"), { workerData });
  });
  const answers = (): Promise<number[]> =>
    Promise.all(workers.map((worker) => new Promise<number>((done) => void worker.once("message", done))));
  await answers();
  let bestMs = Number.POSITIVE_INFINITY;
  for (let number = 1; number <= NUM_ROUNDS; number++) {
    const ended = answers();
    const startMs = performance.timeOrigin + performance.now();
    Atomics.store(round, 0, number);
    Atomics.notify(round, 0);
    bestMs = Math.min(bestMs, Math.max(...(await ended)) - startMs);
  }
  return (memory.byteLength / bestMs) * 1000;
}

/** Best of some runs of one product of the MLP's size. */
function int8Peak({ hiddenSize, intermediateSize }: LlamaShape, threads: number): number {
  const graph = new GraphBuilder("peak");
  const x = graph.input("x", "uint8", ["rows", hiddenSize]);
  const weights = new Int8Array(hiddenSize * intermediateSize).map((_, index) => (index * 37) % 255);
  const weight = graph.initializer("w", "int8", [hiddenSize, intermediateSize], weights);
  const zero = graph.constant("uint8", Uint8Array.of(128));
  const product = graph.node("MatMulInteger", [x, weight, zero]);
  // what is fetched is copied: one row is little
  graph.output("y", graph.node("Gather", [product, graph.int64s([0])]), "int32", [1, intermediateSize]);
  const session = loadSession(graph.build(), { name: "int8 peak", threads, keepArena: true });
  const rows = new Uint8Array(PEAK_ROWS * hiddenSize).map((_, index) => (index * 31) % 256);
  const feeds = { x: tensor("uint8", rows, [PEAK_ROWS, hiddenSize]) };
  let bestMs = Number.POSITIVE_INFINITY;
  for (let run = 0; run < 2 * NUM_ROUNDS; run++) {
    const startMs = performance.now();
    session.run(feeds, ["y"]);
    bestMs = Math.min(bestMs, performance.now() - startMs);
  }
  session.release();
  return ((2 * PEAK_ROWS * hiddenSize * intermediateSize) / bestMs) * 1000;
}
