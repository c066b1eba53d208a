/**
 * One rank with all threads against as many ranks as threads: step times, and the share that ranks wait for each other.
 * Random weights in the shape of TinyLlama-1.1B.
 *
 *     node bench/ranks.ts --precision w8 --threads 2 --layers 22 --repeats 9 --json results.json
 */
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { type AllGatherMemory, createAllGatherMemory } from "../src/execution/all-gather.ts";
import type { ModelRunnerOptions } from "../src/execution/model-runner.ts";
import { createKvMemory } from "../src/kv/kv-memory.ts";
import { createLogitsMemory } from "../src/kv/logits-memory.ts";
import { compileModel } from "../src/model/compile/compile-model.ts";
import { PRECISIONS, type Precision } from "../src/model/compiled-model.ts";
import { TINY_LLAMA } from "./random-checkpoint.ts";
import { type RandomModel, randomModel } from "./random-model.ts";
import type { RankCase, RankTimes } from "./rank-worker.ts";
import { printTable, rounded, writeResults } from "./report.ts";
import { batchOf, PAGE_SIZE } from "./step-batch.ts";

const NUM_PAGES = 1024;
const MAX_STREAMS = 32;
const MAX_TOKENS = 512;
const CONTEXT = 64;
const TIMEOUT_MS = 120_000;
const NUM_ROUNDS = 4;

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

/** The threads of a model's ranks, ready for steps. */
class Team {
  readonly #workers: readonly Worker[];

  constructor(options: readonly ModelRunnerOptions[]) {
    const url = new URL("./rank-worker.ts", import.meta.url);
    this.#workers = options.map((workerData) => new Worker(url, { workerData }));
    for (const worker of this.#workers) {
      worker.on("error", (error) => {
        throw error;
      });
    }
  }

  /** What each rank says next. */
  answers<T>(): Promise<T[]> {
    return Promise.all(
      this.#workers.map((worker) => new Promise<T>((resolve) => worker.once("message", resolve))),
    );
  }

  async measure(job: RankCase): Promise<RankTimes[]> {
    const answers = this.answers<RankTimes>();
    for (const worker of this.#workers) worker.postMessage(job);
    return await answers;
  }

  async end(): Promise<void> {
    const ended = this.#workers.map((worker) => new Promise((resolve) => worker.once("exit", resolve)));
    for (const worker of this.#workers) worker.postMessage(null);
    await Promise.all(ended);
  }
}

/** Teams take turns, so that what else happens on the machine happens to all of them. */
async function measureInTurns(teams: readonly Team[]): Promise<Result[][]> {
  const results: Result[][] = teams.map(() => []);
  for (const { name, sequences } of CASES) {
    const batch = batchOf(sequences, NUM_PAGES);
    const times: RankTimes[][] = teams.map(() => []);
    for (let round = 0; round < NUM_ROUNDS; round++) {
      for (const [index, team] of teams.entries()) {
        times[index]!.push(...(await team.measure({ batch, repeats })));
      }
    }
    for (const [index, ofTeam] of times.entries()) {
      const stepMs = ofTeam.flatMap((time) => time.stepMs).sort((a, b) => a - b);
      results[index]!.push({
        name,
        numTokens: batch.tokenIds.length,
        p50Ms: stepMs[Math.floor(stepMs.length / 2)]!,
        waitShare: ofTeam.reduce((sum, { waitShare }) => sum + waitShare, 0) / ofTeam.length,
      });
    }
  }
  return results;
}

async function rankOptions(
  numRanks: number,
  { modelDir, cacheDir }: RandomModel,
  precision: Precision,
): Promise<ModelRunnerOptions[]> {
  const logits = createLogitsMemory(MAX_STREAMS, TINY_LLAMA.vocabSize);
  const options: ModelRunnerOptions[] = [];
  let memory: AllGatherMemory | null = null;
  for (let rank = 0; rank < numRanks; rank++) {
    const place = numRanks === 1 ? {} : { place: { rank, size: numRanks } };
    const { dir, model } = await compileModel({ modelDir, precision, cacheDir, ...place });
    memory ??= model.part && createAllGatherMemory(numRanks, MAX_TOKENS * model.part.gatheredWidth);
    options.push({
      compiledDir: dir,
      model,
      kv: createKvMemory({ ...model, pageSize: PAGE_SIZE, numPages: NUM_PAGES, kvDtype: "f32" }),
      logits,
      numThreads: numThreads / numRanks,
      maxNumBatchedTokens: MAX_TOKENS,
      allGather: memory && { memory, timeoutMs: TIMEOUT_MS },
    });
  }
  return options;
}

const precision = PRECISIONS.find((name) => name === flags.precision) ?? "w8";
const model = randomModel({ numLayers: Number(flags.layers) });
const teams: Team[] = [];
for (const numRanks of [1, numThreads]) {
  const team = new Team(await rankOptions(numRanks, model, precision));
  await team.answers();
  teams.push(team);
}
const [alone, together] = (await measureInTurns(teams)) as [Result[], Result[]];
for (const team of teams) await team.end();
const settings = `${precision}, ${flags.layers} layers, ${numThreads} threads`;
printTable(
  settings,
  alone.map(({ name, numTokens, p50Ms }, index) => {
    const ranks = together[index]!;
    return {
      step: name,
      [`1 rank x ${numThreads} threads, tokens/s`]: rounded((numTokens / p50Ms) * 1000),
      [`${numThreads} ranks x 1 thread, tokens/s`]: rounded((numTokens / ranks.p50Ms) * 1000),
      ratio: rounded(p50Ms / ranks.p50Ms),
      "waiting %": rounded(100 * ranks.waitShare),
    };
  }),
);
if (flags.json !== undefined) writeResults(flags.json, "ranks", { [settings]: { alone, together } });
