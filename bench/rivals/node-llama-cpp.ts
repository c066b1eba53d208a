/** llama.cpp through node-llama-cpp: one context with a sequence for each stream, which it batches. */
import { getLlama } from "node-llama-cpp";
import type { Contestant, ContestantModule, ContestantOptions } from "./contestant.ts";
import { ggufFile } from "./gguf-file.ts";

/** Tokens of a batch; its own default. */
const BATCH_SIZE = 512;

export const contestant: ContestantModule = {
  async prepare({ shape, precision }) {
    ggufFile(shape, precision);
  },
  async load(options: ContestantOptions): Promise<Contestant> {
    const { shape, precision, maxStreams, maxContext, numThreads, flashAttention } = options;
    const llama = await getLlama({
      gpu: false,
      build: "never",
      progressLogs: false,
      logLevel: "error",
      maxThreads: 0,
    });
    const model = await llama.loadModel({ modelPath: ggufFile(shape, precision) });
    const context = await model.createContext({
      sequences: maxStreams,
      contextSize: maxContext,
      batchSize: BATCH_SIZE,
      threads: numThreads,
      flashAttention,
    });
    return {
      async *open(ids, signal) {
        const sequence = context.getSequence();
        try {
          for await (const _token of sequence.evaluate(ids, { temperature: 0, yieldEogToken: true })) {
            yield 1;
            if (signal.aborted) return;
          }
        } finally {
          sequence.dispose();
        }
      },
      close: () => llama.dispose(),
    };
  },
};
