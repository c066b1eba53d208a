/**
 * One rank with all threads against as many ranks as threads: step times, and the share that ranks wait for each other.
 * Random weights in the shape of TinyLlama-1.1B.
 *
 *     node bench/ranks.ts --precision w8 --threads 2 --layers 22 --repeats 9 --json results.json
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { createAllReduceMemory } from "../src/execution/all-reduce.ts";
import type { ModelRunnerOptions } from "../src/execution/model-runner.ts";
import { createKvMemory } from "../src/kv/kv-memory.ts";
import { createLogitsMemory } from "../src/kv/logits-memory.ts";
import { compileModel } from "../src/model/compile/compile-model.ts";
import { PRECISIONS, type Precision } from "../src/model/compiled-model.ts";
import { TINY_LLAMA, writeRandomCheckpoint } from "./random-checkpoint.ts";
import type { RankCase, RankTimes } from "./rank-worker.ts";
import { batchOf, PAGE_SIZE } from "./step-batch.ts";

const NUM_PAGES = 1024;
const MAX_STREAMS = 32;
const MAX_TOKENS = 512;
const CONTEXT = 64;
const TIMEOUT_MS = 120_000;

const { values: flags } = parseArgs({
  options: {
    precision: { type: "string", default: "w8" },
    threads: { type: "string", default: "2" },
    layers: { type: "string", default: String(TINY_LLAMA.numLayers) },
    repeats: { type: "string", default: "9" },
    json: { type: "string" },
  },
});
const numThreads = Number(flags.threads);
const repeats = Number(flags.repeats);

const CASES: readonly {
  readonly name: string;
  readonly sequences: readonly (readonly [number, number])[];
}[] = [
  ...[1, 8, MAX_STREAMS].map((streams) => ({
    name: `decode ${streams} x ${CONTEXT}`,
    sequences: Array.from({ length: streams }, () => [CONTEXT, 1] as const),
  })),
  { name: "prefill 512", sequences: [[0, MAX_TOKENS]] },
];

interface Result {
  readonly name: string;
  readonly numTokens: number;
  readonly p50Ms: number;
  readonly waitShare: number;
}

async function measureRanks(numRanks: number, modelDir: string, precision: Precision): Promise<Result[]> {
  const workers = (await rankOptions(numRanks, modelDir, precision)).map(
    (workerData) => new Worker(new URL("./rank-worker.ts", import.meta.url), { workerData }),
  );
  const answers = <T>(): Promise<T[]> =>
    Promise.all(
      workers.map(
        (worker) =>
          new Promise<T>((resolve, reject) => void worker.once("message", resolve).once("error", reject)),
      ),
    );
  await answers();
  const results: Result[] = [];
  for (const { name, sequences } of CASES) {
    const batch = batchOf(sequences, NUM_PAGES);
    const job: RankCase = { batch, repeats };
    for (const worker of workers) worker.postMessage(job);
    const [first, ...others] = await answers<RankTimes>();
    const waits = [first!, ...others].map(({ waitShare }) => waitShare);
    results.push({
      name,
      numTokens: batch.tokenIds.length,
      p50Ms: first!.stepMs[Math.floor(repeats / 2)]!,
      waitShare: waits.reduce((sum, share) => sum + share, 0) / waits.length,
    });
  }
  const ended = workers.map((worker) => new Promise((resolve) => worker.once("exit", resolve)));
  for (const worker of workers) worker.postMessage(null);
  await Promise.all(ended);
  return results;
}

async function rankOptions(
  numRanks: number,
  modelDir: string,
  precision: Precision,
): Promise<ModelRunnerOptions[]> {
  const cacheDir = join(modelDir, "cache");
  const logits = createLogitsMemory(MAX_STREAMS, TINY_LLAMA.vocabSize);
  const memory = createAllReduceMemory(numRanks, MAX_TOKENS * TINY_LLAMA.hiddenSize);
  const options: ModelRunnerOptions[] = [];
  for (let rank = 0; rank < numRanks; rank++) {
    const place = numRanks === 1 ? {} : { place: { rank, size: numRanks } };
    const { dir, model } = await compileModel({ modelDir, precision, cacheDir, ...place });
    options.push({
      compiledDir: dir,
      model,
      kv: createKvMemory({ ...model, pageSize: PAGE_SIZE, numPages: NUM_PAGES, kvDtype: "f32" }),
      logits,
      numThreads: numThreads / numRanks,
      maxNumBatchedTokens: MAX_TOKENS,
      allReduce: numRanks === 1 ? null : { memory, timeoutMs: TIMEOUT_MS },
    });
  }
  return options;
}

const modelDir = mkdtempSync(join(tmpdir(), "troupe-ranks-bench-"));
try {
  const precision = PRECISIONS.find((name) => name === flags.precision) ?? "w8";
  writeRandomCheckpoint(modelDir, { ...TINY_LLAMA, numLayers: Number(flags.layers) });
  const alone = await measureRanks(1, modelDir, precision);
  const together = await measureRanks(numThreads, modelDir, precision);
  const machine = { cpu: cpus()[0]?.model, node: process.version };
  console.log(`${machine.cpu}, Node ${machine.node}, ${precision}, ${flags.layers} layers`);
  console.table(
    alone.map(({ name, numTokens, p50Ms }, index) => {
      const ranks = together[index]!;
      return {
        step: name,
        [`1 rank x ${numThreads} threads, tokens/s`]: Number(((numTokens / p50Ms) * 1000).toFixed(1)),
        [`${numThreads} ranks x 1 thread, tokens/s`]: Number(((numTokens / ranks.p50Ms) * 1000).toFixed(1)),
        ratio: Number((p50Ms / ranks.p50Ms).toFixed(2)),
        "waiting %": Number((100 * ranks.waitShare).toFixed(1)),
      };
    }),
  );
  if (flags.json !== undefined) {
    const report = { machine, precision, numThreads, layers: flags.layers, alone, together };
    writeFileSync(flags.json, `${JSON.stringify(report, null, 2)}\n`);
  }
} finally {
  rmSync(modelDir, { recursive: true });
}
