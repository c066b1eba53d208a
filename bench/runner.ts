/**
 * Step times of the model runner alone: no scheduler, no sampler, random weights in the shape of TinyLlama-1.1B.
 *
 *     node bench/runner.ts --precision w8 --kv f16 --threads 2 --layers 22 --json results.json
 */
import { parseArgs } from "node:util";
import { createModelRunner, type ModelRunner } from "../src/execution/model-runner.ts";
import { KV_DTYPES } from "../src/kv/forms/kv-form.ts";
import { createKvMemory } from "../src/kv/kv-memory.ts";
import { createLogitsMemory } from "../src/kv/logits-memory.ts";
import { compileModel } from "../src/model/compile/compile-model.ts";
import { PRECISIONS } from "../src/model/compiled-model.ts";
import { TINY_LLAMA } from "./random-checkpoint.ts";
import { randomModel } from "./random-model.ts";
import { median, printTable, rounded, writeResults } from "./report.ts";
import { batchOf, PAGE_SIZE } from "./step-batch.ts";

const NUM_PAGES = 2048;
const MAX_STREAMS = 32;

interface Case {
  readonly name: string;
  /** [context, new tokens] of each sequence. */
  readonly sequences: readonly (readonly [context: number, numTokens: number])[];
  readonly repeats: number;
}

interface Result {
  readonly name: string;
  readonly p50Ms: number;
  readonly maxMs: number;
  readonly tokensPerSecond: number;
}

const { values: flags } = parseArgs({
  options: {
    precision: { type: "string", default: "w8" },
    kv: { type: "string", default: "f32" },
    threads: { type: "string", default: "2" },
    layers: { type: "string", default: String(TINY_LLAMA.numLayers) },
    json: { type: "string" },
  },
});

function cases(): Case[] {
  const decode = (streams: number, context: number): Case => ({
    name: `decode ${streams} x ${context}`,
    sequences: Array.from({ length: streams }, () => [context, 1]),
    repeats: 7,
  });
  return [
    { name: "prefill 512", sequences: [[0, 512]], repeats: 3 },
    { name: "prefill 128 after 384", sequences: [[384, 128]], repeats: 3 },
    ...[1, 8, 16, MAX_STREAMS].flatMap((streams) => [decode(streams, 64), decode(streams, 512)]),
    ...[2, 4, 8].map((guessed) => ({
      name: `decode 1 x 512 and ${guessed} guessed`,
      sequences: [[512, 1 + guessed] as const],
      repeats: 7,
    })),
    {
      name: "decode 31 x 64..1900 mixed",
      sequences: Array.from({ length: 31 }, (_, i) => [64 + i * 61, 1]),
      repeats: 7,
    },
  ];
}

function measure(runner: ModelRunner, one: Case): Result {
  const batch = batchOf(one.sequences, NUM_PAGES);
  runner.execute(batch);
  const times = Array.from({ length: one.repeats }, () => {
    const start = performance.now();
    runner.execute(batch);
    return performance.now() - start;
  });
  const p50Ms = median(times);
  const tokensPerSecond = (batch.tokenIds.length / p50Ms) * 1000;
  return { name: one.name, p50Ms, maxMs: Math.max(...times), tokensPerSecond };
}

const precision = PRECISIONS.find((name) => name === flags.precision) ?? "w8";
const kvDtype = KV_DTYPES.find((name) => name === flags.kv) ?? "f32";
const { modelDir, cacheDir } = randomModel({ numLayers: Number(flags.layers) });
const { dir, model } = await compileModel({ modelDir, precision, cacheDir });
const runner = createModelRunner({
  compiledDir: dir,
  model,
  kv: createKvMemory({ ...model, kvDtype, pageSize: PAGE_SIZE, numPages: NUM_PAGES }),
  logits: createLogitsMemory(MAX_STREAMS, model.vocabSize),
  numThreads: Number(flags.threads),
  maxNumBatchedTokens: 512,
});
runner.warmUp();
const results = cases().map((one) => measure(runner, one));
const rssMb = Math.round(process.memoryUsage().rss / 1e6);
runner.release();
const settings = `${precision}, KV ${kvDtype}, ${flags.threads} threads, ${model.numLayers} layers`;
printTable(
  `${settings}, ${rssMb} MB`,
  results.map(({ name, p50Ms, maxMs, tokensPerSecond }) => ({
    step: name,
    "p50 ms": rounded(p50Ms),
    "max ms": rounded(maxMs),
    "tokens/s": rounded(tokensPerSecond),
  })),
);
if (flags.json !== undefined) writeResults(flags.json, "runner", { [settings]: { rssMb, results } });
