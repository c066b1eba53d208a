/** llm_boost's `--measure_throughput`: tokens per second for batches of one and four, for growing lengths. */
import type { Engine } from "../../protocol/engine.ts";
import { createSamplingParams } from "../../sampling/create-sampling-params.ts";
import { type Output, write } from "../cli-context.ts";

const BATCH_SIZES = [1, 4];
const LENGTHS = [256, 512, 1024, 2048];
const WARM_UP_LENGTH = 512;

/** As many tokens are answered as were asked; lengths that do not fit the model are left out. */
export async function measureThroughput(output: Output, engine: Engine): Promise<void> {
  const fitting = LENGTHS.filter((length) => 2 * length <= engine.info.maxModelLen);
  const lengths = fitting.length > 0 ? fitting : [Math.floor(engine.info.maxModelLen / 2)];
  await run(engine, 1, Math.min(WARM_UP_LENGTH, lengths.at(-1)!));
  await write(output, "batch  length  tokens/s\n");
  for (const batchSize of BATCH_SIZES)
    for (const length of lengths) {
      const seconds = await run(engine, batchSize, length);
      const speed = ((batchSize * length) / seconds).toFixed(1);
      await write(
        output,
        `${`${batchSize}`.padStart(5)}  ${`${length}`.padStart(6)}  ${speed.padStart(8)}\n`,
      );
    }
}

/** @returns seconds from the first prompt to the last token */
async function run(engine: Engine, batchSize: number, length: number): Promise<number> {
  const params = createSamplingParams({ temperature: 0, maxTokens: length, ignoreEos: true });
  const start = performance.now();
  const drain = async (row: number): Promise<void> => {
    // Every row its own tokens: none finds its prefix in the cache.
    const ids = Array.from({ length }, (_, i) => (row * 7919 + length * 31 + i * 13) % engine.info.vocabSize);
    for await (const _ of engine.generate({ prompt: { kind: "ids", ids }, params }));
  };
  await Promise.all(Array.from({ length: batchSize }, (_, row) => drain(row)));
  return (performance.now() - start) / 1000;
}
