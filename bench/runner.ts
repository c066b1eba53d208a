/**
 * Step times of the model runner alone: no scheduler, no sampler, random weights in the shape of TinyLlama-1.1B.
 *
 *     node bench/runner.ts --precision w8 --kv f16 --threads 2 --layers 22 --json results.json
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createModelRunner, type ModelRunner } from "../src/execution/model-runner.ts";
import { KV_DTYPES } from "../src/kv/forms/kv-form.ts";
import { createKvMemory } from "../src/kv/kv-memory.ts";
import { createLogitsMemory } from "../src/kv/logits-memory.ts";
import { compileModel } from "../src/model/compile/compile-model.ts";
import { PRECISIONS } from "../src/model/compiled-model.ts";
import { TINY_LLAMA, writeRandomCheckpoint } from "./random-checkpoint.ts";
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
  }).sort((a, b) => a - b);
  const p50Ms = times[Math.floor(times.length / 2)]!;
  const tokensPerSecond = (batch.tokenIds.length / p50Ms) * 1000;
  return { name: one.name, p50Ms, maxMs: times.at(-1)!, tokensPerSecond };
}

const folder = mkdtempSync(join(tmpdir(), "troupe-bench-"));
try {
  const precision = PRECISIONS.find((name) => name === flags.precision) ?? "w8";
  const kvDtype = KV_DTYPES.find((name) => name === flags.kv) ?? "f32";
  const modelDir = join(folder, "model");
  writeRandomCheckpoint(modelDir, { ...TINY_LLAMA, numLayers: Number(flags.layers) });
  const { dir, model } = await compileModel({ modelDir, precision, cacheDir: join(folder, "cache") });
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
  const machine = { cpu: cpus()[0]?.model, node: process.version };
  console.log(
    `${machine.cpu}, Node ${machine.node}, ${precision}, KV ${kvDtype}, ${flags.threads} threads, ${model.numLayers} layers, ${rssMb} MB`,
  );
  console.table(
    results.map(({ name, p50Ms, maxMs, tokensPerSecond }) => ({
      step: name,
      "p50 ms": Number(p50Ms.toFixed(1)),
      "max ms": Number(maxMs.toFixed(1)),
      "tokens/s": Number(tokensPerSecond.toFixed(1)),
    })),
  );
  if (flags.json !== undefined) {
    const report = {
      machine,
      precision,
      kvDtype,
      threads: flags.threads,
      layers: model.numLayers,
      rssMb,
      results,
    };
    writeFileSync(flags.json, `${JSON.stringify(report, null, 2)}\n`);
  }
} finally {
  rmSync(folder, { recursive: true });
}
