/** Places in pages that hold no token, while sequences of many lengths grow. */
import { createSamplingParams } from "../../src/sampling/create-sampling-params.ts";
import { randomPrompt } from "../random-model.ts";
import { rounded } from "../report.ts";
import { type Figures, type Subject, withEngine } from "./subject.ts";

const NUM_STREAMS = 24;
const MIN_PROMPT = 40;
const MAX_PROMPT = 700;
const NUM_TOKENS = 60;

export async function pageWaste(subject: Subject): Promise<Record<string, Figures>> {
  const config = { prefixCache: false, maxNumSeqs: NUM_STREAMS, kvCacheMb: 1024 };
  return await withEngine(subject, config, async (engine) => {
    const params = createSamplingParams({ temperature: 0, maxTokens: NUM_TOKENS, ignoreEos: true });
    const { pageSize } = engine.info.kvCache;
    const lengths = new Map<number, number>();
    const samples: number[] = [];
    const stream = async (index: number): Promise<void> => {
      const promptLen = MIN_PROMPT + Math.floor((index * (MAX_PROMPT - MIN_PROMPT)) / NUM_STREAMS);
      const ids = randomPrompt(promptLen, index, engine.info.vocabSize);
      for await (const event of engine.generate({ prompt: { kind: "ids", ids }, params })) {
        if (event.kind !== "delta") continue;
        // the last token drawn has no keys yet
        lengths.set(index, (lengths.get(index) ?? promptLen - 1) + event.tokenIds.length);
        if (lengths.size < NUM_STREAMS) continue;
        const { numPages, numFreePages, numRunning } = engine.status();
        if (numRunning < NUM_STREAMS) continue;
        const numTokens = [...lengths.values()].reduce((sum, length) => sum + length, 0);
        samples.push(1 - numTokens / ((numPages - numFreePages) * pageSize));
      }
    };
    await Promise.all(Array.from({ length: NUM_STREAMS }, (_, index) => stream(index)));
    const mean = samples.reduce((sum, share) => sum + share, 0) / samples.length;
    return {
      [`${NUM_STREAMS} sequences of ${MIN_PROMPT} to ${MAX_PROMPT + NUM_TOKENS} tokens`]: {
        "waste mean %": rounded(100 * mean),
        "max %": rounded(100 * Math.max(...samples)),
      },
    };
  });
}
