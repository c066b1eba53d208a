/**
 * How long an engine takes from a compiled model in the cache to its first token, in the shape of TinyLlama-1.1B with random
 * weights; then how long a first prompt that fills a step takes, against a second one, which shows what warm-up left out.
 * The fastest round is the warm one: files just written are hashed again, and read again once the system let go of them.
 *
 *     node bench/start.ts --layers 22 --rounds 5 --json results.json
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startEngine } from "../actors/engine.ts";
import { parseConfig } from "../src/config/load-config.ts";
import { compileModel } from "../src/model/compile/compile-model.ts";
import type { Engine } from "../src/protocol/engine.ts";
import { createSamplingParams } from "../src/sampling/create-sampling-params.ts";
import { TINY_LLAMA, writeRandomCheckpoint } from "./random-checkpoint.ts";

const PRECISION = "w8";

const { values: flags } = parseArgs({
  options: {
    layers: { type: "string", default: "22" },
    tp: { type: "string", default: "1" },
    rounds: { type: "string", default: "5" },
    json: { type: "string" },
  },
});

/** Until the first token of an answer to `numTokens` tokens, none of them seen before. */
async function firstTokenMs(engine: Engine, numTokens: number, salt: number): Promise<number> {
  const ids = Array.from({ length: numTokens }, (_, index) => (index * 131 + salt * 7919) % 30_000);
  const params = createSamplingParams({ temperature: 0, maxTokens: 1 });
  const startMs = performance.now();
  for await (const _event of engine.generate({ prompt: { kind: "ids", ids }, params }));
  return performance.now() - startMs;
}

const folder = mkdtempSync(join(tmpdir(), "troupe-bench-"));
try {
  const modelDir = join(folder, "model");
  const cacheDir = join(folder, "cache");
  writeRandomCheckpoint(modelDir, { ...TINY_LLAMA, numLayers: Number(flags.layers) });
  const config = parseConfig({
    model: { path: modelDir, cacheDir, precision: PRECISION, skipTokenizerInit: true },
    engine: { tensorParallel: Number(flags.tp) },
  });
  const stepTokens = config.engine.maxNumBatchedTokens;
  if (flags.tp === "1") await compileModel({ modelDir, cacheDir, precision: PRECISION });
  const rounds: Record<string, number>[] = [];
  for (let round = 0; round < Number(flags.rounds); round++) {
    const startMs = performance.now();
    const engine = await startEngine(config);
    const loadMs = performance.now() - startMs;
    const times = {
      "start ms": loadMs,
      "first token ms": await firstTokenMs(engine, 8, 1),
      "first full step ms": await firstTokenMs(engine, stepTokens, 2),
      "second full step ms": await firstTokenMs(engine, stepTokens, 3),
    };
    rounds.push(Object.fromEntries(Object.entries(times).map(([name, ms]) => [name, Math.round(ms)])));
    await engine.stop();
  }
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version };
  console.log(`${machine.cpu}, Node ${machine.node}, ${flags.layers} layers of TinyLlama-1.1B, ${PRECISION}`);
  console.table(rounds);
  if (flags.json !== undefined)
    writeFileSync(flags.json, `${JSON.stringify({ machine, rounds }, null, 2)}\n`);
} finally {
  rmSync(folder, { recursive: true });
}
