/** Troupe itself, as a program in the same process would use it. */
import { startEngine } from "../../actors/engine.ts";
import { parseConfig } from "../../src/config/load-config.ts";
import { compileModel } from "../../src/model/compile/compile-model.ts";
import { PRECISIONS } from "../../src/model/compiled-model.ts";
import { openStreams } from "../engine-load.ts";
import { kvTokenBytes } from "../llama-work.ts";
import { randomModel } from "../random-model.ts";
import type { Contestant, ContestantModule, ContestantOptions } from "./contestant.ts";

/** As the others keep them. */
const KV_DTYPE = "f16";

const precisionOf = (name: string) => PRECISIONS.find((known) => known === name)!;

export const contestant: ContestantModule = {
  async prepare({ precision, shape }) {
    const { modelDir, cacheDir } = randomModel(shape);
    await compileModel({ modelDir, cacheDir, precision: precisionOf(precision) });
  },
  async load(options: ContestantOptions): Promise<Contestant> {
    const { precision, shape, maxStreams, maxContext, numThreads } = options;
    const { modelDir, cacheDir } = randomModel(shape);
    const kvBytes = maxStreams * maxContext * kvTokenBytes(shape, KV_DTYPE);
    const engine = await startEngine(
      parseConfig({
        model: { path: modelDir, cacheDir, precision: precisionOf(precision), skipTokenizerInit: true },
        engine: {
          maxNumSeqs: maxStreams,
          kvCacheMb: Math.ceil(kvBytes / 2 ** 20),
          kvDtype: KV_DTYPE,
          threads: numThreads,
        },
      }),
    );
    return { open: openStreams(engine), close: () => engine.stop() };
  },
};
