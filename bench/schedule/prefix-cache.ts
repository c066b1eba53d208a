/** What the prefix cache saves: prompts that begin alike, and conversations that grow. */
import type { Engine } from "../../src/protocol/engine.ts";
import { randomPrompt } from "../random-model.ts";
import { percentile, rounded } from "../report.ts";
import { type Answer, ask, type Figures, type Subject, withEngine } from "./subject.ts";

const SHARED_TOKENS = 512;
const NUM_REQUESTS = 12;
const NUM_CHATS = 4;
const NUM_TURNS = 4;
const TURN_TOKENS = 96;
const ANSWER_TOKENS = 32;

type Load = (engine: Engine) => Promise<{ readonly answers: Answer[]; readonly numPromptTokens: number }>;

const LOADS: Readonly<Record<string, Load>> = {
  [`${NUM_REQUESTS} prompts that share ${SHARED_TOKENS} tokens`]: async (engine) => {
    const { vocabSize } = engine.info;
    const shared = randomPrompt(SHARED_TOKENS, 1, vocabSize);
    const answers: Answer[] = [];
    for (let index = 0; index < NUM_REQUESTS; index++)
      answers.push(await ask(engine, [...shared, ...randomPrompt(32, 10 + index, vocabSize)], 8));
    return { answers, numPromptTokens: NUM_REQUESTS * (SHARED_TOKENS + 32) };
  },
  [`${NUM_CHATS} chats of ${NUM_TURNS} turns`]: async (engine) => {
    const answers: Answer[] = [];
    let numPromptTokens = 0;
    const chat = async (index: number): Promise<void> => {
      let ids: readonly number[] = [];
      for (let turn = 0; turn < NUM_TURNS; turn++) {
        const question = randomPrompt(TURN_TOKENS, 1000 + index * NUM_TURNS + turn, engine.info.vocabSize);
        ids = [...ids, ...question];
        numPromptTokens += ids.length;
        const answer = await ask(engine, ids, ANSWER_TOKENS);
        answers.push(answer);
        ids = [...ids, ...answer.tokenIds];
      }
    };
    await Promise.all(Array.from({ length: NUM_CHATS }, (_, index) => chat(index)));
    return { answers, numPromptTokens };
  },
};

export async function prefixCache(subject: Subject): Promise<Record<string, Figures>> {
  const rows: Record<string, Figures> = {};
  for (const [name, load] of Object.entries(LOADS)) {
    for (const isOn of [true, false]) {
      rows[`${name}, cache ${isOn ? "on" : "off"}`] = await withEngine(
        subject,
        { prefixCache: isOn },
        async (engine) => {
          const startMs = performance.now();
          const { answers, numPromptTokens } = await load(engine);
          const numCached = answers.reduce((sum, answer) => sum + answer.numCachedTokens, 0);
          const first = answers.map(({ firstTokenMs }) => firstTokenMs);
          return {
            "all done s": rounded((performance.now() - startMs) / 1000),
            "first token p50 ms": rounded(percentile(first, 0.5)),
            "prompt tokens found %": rounded((100 * numCached) / numPromptTokens),
          };
        },
      );
    }
  }
  return rows;
}
