/**
 * Starts and stops engines under load, over and over; a process of its own, because what it looks for is an abort:
 * `node test/actors/stop-program.ts FOLDER CACHE ROUNDS`.
 */

import { startEngine } from "../../actors/engine.ts";
import { parseConfig } from "../../src/config/load-config.ts";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { createSamplingParams } from "../../src/sampling/create-sampling-params.ts";

const [folder, cacheDir, rounds] = process.argv.slice(2) as [string, string, string];
const config = parseConfig({
  model: { path: folder, cacheDir, skipTokenizerInit: true },
  engine: { kvCacheMb: 4, threads: 2 },
});
const params = createSamplingParams({ maxTokens: 450, ignoreEos: true, temperature: 1, seed: 1 });
let numStopped = 0;
let numCut = 0;

for (let round = 0; round < Number(rounds); round++) {
  const engine = await startEngine(config);
  const { promise: isUnderLoad, resolve: underLoad } = Promise.withResolvers<void>();
  let numDeltas = 0;
  const streams = Array.from({ length: 4 }, async (_, index) => {
    const prompt = { kind: "ids", ids: [1 + index, 2, 3] } as const;
    try {
      for await (const event of engine.generate({ prompt, params })) {
        // a different moment of a step in every round
        if (event.kind === "delta" && ++numDeltas === 4 + round) underLoad();
      }
    } catch (error) {
      if (error instanceof TroupeError && error.retryable) numCut++;
      else throw error;
    }
  });
  await isUnderLoad;
  await Promise.all([engine.stop(), ...streams]);
  numStopped++;
}
console.log(`${numStopped} stopped, ${numCut} streams cut`);
