/** Too few pages for all: sequences give way and are computed again. The answers must be the same, token by token. */
import type { Engine } from "../../src/protocol/engine.ts";
import { randomPrompt } from "../random-model.ts";
import { rounded } from "../report.ts";
import { ask, type Figures, type Subject, withEngine } from "./subject.ts";

const NUM_STREAMS = 8;
const PROMPT_TOKENS = 96;
const ANSWER_TOKENS = 160;
const PAGE_SIZE = 16;
/** Pages for all, and for half of them. */
const ENOUGH = NUM_STREAMS * Math.ceil((PROMPT_TOKENS + ANSWER_TOKENS) / PAGE_SIZE);

export async function preemption(subject: Subject): Promise<Record<string, Figures>> {
  const run = (numPages: number) =>
    withEngine(subject, { prefixCache: false, pageSize: PAGE_SIZE, numPages }, answers);
  const enough = await run(ENOUGH);
  const few = await run(ENOUGH / 2);
  const isSame = JSON.stringify(enough.tokenIds) === JSON.stringify(few.tokenIds);
  return {
    "pages for all": { s: enough.seconds, preemptions: enough.numPreemptions, answers: "reference" },
    "pages for half": {
      s: few.seconds,
      preemptions: few.numPreemptions,
      answers: isSame ? "identical" : "DIFFERENT",
    },
  };
}

async function answers(engine: Engine) {
  const startMs = performance.now();
  const all = await Promise.all(
    Array.from({ length: NUM_STREAMS }, (_, index) =>
      ask(engine, randomPrompt(PROMPT_TOKENS, index, engine.info.vocabSize), ANSWER_TOKENS),
    ),
  );
  return {
    seconds: rounded((performance.now() - startMs) / 1000),
    numPreemptions: engine.status().counters.preemptions,
    tokenIds: all.map(({ tokenIds }) => tokenIds),
  };
}
