/**
 * What a server costs: processor time when nobody asks, memory under load, and the time from `npm start` to the first
 * token once everything is installed and compiled.
 *
 *     node bench/cost.ts --idle-seconds 20 --layers 22
 */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { compileModel } from "../src/model/compile/compile-model.ts";
import { TINY_LLAMA } from "./random-checkpoint.ts";
import { randomModel, randomPrompt } from "./random-model.ts";
import { median, printTable, rounded, writeResults } from "./report.ts";
import { complete, startServed } from "./served.ts";

const { values: flags } = parseArgs({
  options: {
    "idle-seconds": { type: "string", default: "20" },
    layers: { type: "string", default: String(TINY_LLAMA.numLayers) },
    json: { type: "string", default: "bench/results/results.json" },
  },
});

/** Until threads that start up have done so. */
const SETTLE_MS = 3000;
const KV_CACHE_MB = 512;
/** What the process may take beside weights and pages. */
const FIXED_MB = 250;
const WEIGHT_FACTOR = 1.3;
const MIB = 2 ** 20;

interface Cost {
  readonly what: string;
  readonly measured: number;
  readonly limit: number;
  readonly unit: string;
}

async function firstTokenSeconds(): Promise<Cost> {
  const times: number[] = [];
  // the first start installs and compiles what is missing
  for (let start = 0; start < 4; start++) {
    const startMs = performance.now();
    await using served = await startServed();
    await complete(served, [300, 301, 302], { maxTokens: 4, until: "first piece" });
    if (start > 0) times.push((performance.now() - startMs) / 1000);
  }
  return { what: "`npm start` to the first token, warm", measured: median(times), limit: 2, unit: "s" };
}

async function idleShare(): Promise<Cost> {
  await using served = await startServed();
  await complete(served, [300, 301, 302], { maxTokens: 16, until: "end" });
  await sleep(SETTLE_MS);
  const before = await served.metric("process_cpu_seconds_total");
  const startMs = performance.now();
  await sleep(Number(flags["idle-seconds"]) * 1000);
  const seconds = (performance.now() - startMs) / 1000;
  const busy = (await served.metric("process_cpu_seconds_total")) - before;
  return { what: "idle server, of one core", measured: (100 * busy) / seconds, limit: 1, unit: "%" };
}

async function memory(precision: "w8" | "w4"): Promise<Cost> {
  const { modelDir, cacheDir, shape } = randomModel({ numLayers: Number(flags.layers) });
  const { dir } = await compileModel({ modelDir, cacheDir, precision });
  const weightBytes = readdirSync(dir).reduce((sum, name) => sum + statSync(join(dir, name)).size, 0);
  await using served = await startServed([
    ...["--model", modelDir, "--cache-dir", cacheDir, "--precision", precision, "--skip-tokenizer-init"],
    ...["--kv-cache-mb", String(KV_CACHE_MB)],
  ]);
  const load = (salt: number) =>
    complete(served, randomPrompt(256, salt, shape.vocabSize), { maxTokens: 24, until: "end" });
  await Promise.all(Array.from({ length: 16 }, (_, salt) => load(salt)));
  return {
    what: `memory of ${flags.layers} layers of TinyLlama-1.1B in ${precision} after 16 streams`,
    measured: (await served.metric("process_resident_memory_bytes")) / MIB,
    limit: (weightBytes / MIB) * WEIGHT_FACTOR + KV_CACHE_MB + FIXED_MB,
    unit: "MiB",
  };
}

const costs = [await firstTokenSeconds(), await idleShare(), await memory("w8"), await memory("w4")];
printTable(
  "cost of a server",
  costs.map(({ what, measured, limit, unit }) => ({
    what,
    measured: rounded(measured),
    limit: rounded(limit),
    unit,
  })),
);
writeResults(flags.json, "cost", Object.fromEntries(costs.map(({ what, ...cost }) => [what, cost])));
