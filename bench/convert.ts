/**
 * How fast weights are converted, split, cut anew and merged: MB of the source a second, its checksum known beforehand, in
 * the shape of TinyLlama-1.1B with random bf16 weights.
 *
 *     node bench/convert.ts --layers 4 --json results.json
 */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { convertWeights } from "../src/model/convert/convert-weights.ts";
import { mergeWeights } from "../src/model/convert/merge-weights.ts";
import { splitWeights } from "../src/model/convert/split-weights.ts";
import { listWeightFiles } from "../src/model/shards/list-weight-files.ts";
import { WEIGHT_PRECISIONS } from "../src/model/weights-manifest.ts";
import { TINY_LLAMA, writeRandomCheckpoint } from "./random-checkpoint.ts";
import { printTable, rounded, writeResults } from "./report.ts";

const { values: flags } = parseArgs({
  options: { layers: { type: "string", default: "4" }, json: { type: "string" } },
});

interface Result {
  readonly job: string;
  /** Reading the source alone, for its checksum. */
  readonly hashSeconds: number;
  readonly seconds: number;
  /** Of the whole process, checksum included: what a machine that is busy otherwise cannot change. */
  readonly cpuSeconds: number;
  readonly megabytesPerSecond: number;
}

interface Job {
  readonly name: string;
  readonly from: string;
  readonly to: string;
  run(options: Parameters<typeof mergeWeights>[0]): Promise<unknown>;
}

const convert = (precision: (typeof WEIGHT_PRECISIONS)[number], from = "model"): Job => ({
  name: `convert ${from === "model" ? "bf16" : from} to ${precision}`,
  from,
  to: from === "model" ? precision : `${from}-${precision}`,
  run: (options) => convertWeights({ ...options, precision }),
});

const split = (size: number, from: string): Job => ({
  name: `split ${from} for ${size} ranks`,
  from,
  to: `tp${size}`,
  run: (options) => splitWeights({ ...options, strategy: { size } }),
});

const JOBS: readonly Job[] = [
  ...WEIGHT_PRECISIONS.map((precision) => convert(precision)),
  convert("bf16", "w8"),
  convert("bf16", "w4"),
  split(2, "model"),
  split(4, "tp2"),
  { name: "merge tp4", from: "tp4", to: "whole", run: mergeWeights },
];

async function measure(folder: string, { name, from, to, run }: Job): Promise<Result> {
  const modelDir = join(folder, from);
  const files = await listWeightFiles(modelDir);
  const numBytes = files.reduce((sum, file) => sum + statSync(join(modelDir, file)).size, 0);
  const cpuBefore = process.cpuUsage();
  const start = performance.now();
  let writingSince = start;
  let isWriting = false;
  await run({
    modelDir,
    outputDir: join(folder, to),
    cacheDir: join(folder, "cache"),
    onProgress({ phase }) {
      if (phase !== "converting" || isWriting) return;
      isWriting = true;
      writingSince = performance.now();
    },
  });
  const seconds = (performance.now() - writingSince) / 1000;
  const hashSeconds = (writingSince - start) / 1000;
  const { user, system } = process.cpuUsage(cpuBefore);
  const cpuSeconds = (user + system) / 1e6;
  return { job: name, hashSeconds, seconds, cpuSeconds, megabytesPerSecond: numBytes / 1e6 / seconds };
}

const folder = mkdtempSync(join(tmpdir(), "troupe-bench-"));
try {
  writeRandomCheckpoint(join(folder, "model"), { ...TINY_LLAMA, numLayers: Number(flags.layers) });
  const results: Result[] = [];
  for (const job of JOBS) results.push(await measure(folder, job));
  const settings = `${flags.layers} layers of TinyLlama-1.1B`;
  printTable(
    settings,
    results.map(({ job, hashSeconds, seconds, cpuSeconds, megabytesPerSecond }) => ({
      job,
      "checksum s": rounded(hashSeconds),
      s: rounded(seconds),
      "CPU s": rounded(cpuSeconds),
      "MB/s": rounded(megabytesPerSecond),
    })),
  );
  if (flags.json !== undefined) writeResults(flags.json, "convert", { [settings]: { results } });
} finally {
  rmSync(folder, { recursive: true });
}
