/** What long prompts do to streams that run: time between tokens, with prompts in chunks of several sizes and whole. */
import { randomPrompt } from "../random-model.ts";
import { percentile, rounded } from "../report.ts";
import { ask, type Figures, type Subject, withEngine } from "./subject.ts";

const NUM_STREAMS = 8;
const NUM_TOKENS = 120;
const LONG_PROMPT = 1024;
const NUM_LONG = 3;
/** Tokens of a step; the last is a prompt and all streams at once. */
const BUDGETS = [64, 256, LONG_PROMPT + NUM_STREAMS];

export async function chunkedPrefill(subject: Subject): Promise<Record<string, Figures>> {
  const rows: Record<string, Figures> = {};
  for (const budget of BUDGETS) {
    const name = budget > LONG_PROMPT ? "prompts whole" : `prompts in chunks, ${budget} tokens a step`;
    const config = { maxNumBatchedTokens: budget, maxNumSeqs: 16, prefixCache: false };
    rows[name] = await withEngine(subject, config, async (engine) => {
      const { vocabSize } = engine.info;
      const streams = Array.from({ length: NUM_STREAMS }, (_, index) =>
        ask(engine, randomPrompt(32, index, vocabSize), NUM_TOKENS),
      );
      const firstTokens: number[] = [];
      for (let index = 0; index < NUM_LONG; index++) {
        const { firstTokenMs } = await ask(engine, randomPrompt(LONG_PROMPT, 100 + index, vocabSize), 8);
        firstTokens.push(firstTokenMs);
      }
      const gaps = (await Promise.all(streams)).flatMap(({ gapsMs }) => gapsMs);
      return {
        "between tokens p50 ms": rounded(percentile(gaps, 0.5)),
        "p99 ms": rounded(percentile(gaps, 0.99)),
        "max ms": rounded(Math.max(...gaps)),
        "first token of a long prompt ms": rounded(percentile(firstTokens, 0.5)),
      };
    });
  }
  return rows;
}
