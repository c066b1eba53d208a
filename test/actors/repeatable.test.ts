import assert from "node:assert/strict";
import { test } from "node:test";
import type { Engine } from "../../src/protocol/engine.ts";
import { params, question, startTestEngine, whole } from "./test-engine.ts";

const SUBJECTS = ["a fox", "an owl", "a boat", "a bear", "a lamp", "a duck", "a tree", "a cat"];

function story(index: number): Parameters<Engine["generate"]>[0] {
  const prompt = question(`Tell me a short story about ${SUBJECTS[index % SUBJECTS.length]}.`);
  // every kind of parameter beside each other, so that no row may borrow its neighbour's
  const kinds = [
    {},
    { topK: 20 },
    { topP: 0.9 },
    { repetitionPenalty: 1.2 },
    { minP: 0.02, presencePenalty: 0.5 },
  ];
  return {
    prompt,
    params: params({ temperature: 1, seed: 100 + index, maxTokens: 120, ...kinds[index % kinds.length] }),
  };
}

for (const precision of ["w8", "a_bf16_w_int8_kv_int8"] as const) {
  test(`${precision} - the same seed gives the same text alone, among 31 others, in chunks, and after preemption`, async () => {
    const alone: string[] = [];
    {
      await using one = await startTestEngine({ model: { precision }, engine: { prefixCache: false } });
      for (const index of [0, 1, 2, 3, 4]) alone.push((await whole(one.engine, story(index))).texts[0]!);
    }
    const all = Array.from({ length: 32 }, (_, index) => story(index));
    {
      await using crowd = await startTestEngine({
        model: { precision },
        engine: { maxNumBatchedTokens: 40 },
      });
      const texts = await Promise.all(
        all.map(async (request) => (await whole(crowd.engine, request)).texts[0]),
      );
      assert.deepEqual(texts.slice(0, 5), alone);
      assert.equal(crowd.engine.status().counters.preemptions, 0);
    }
    {
      await using tight = await startTestEngine({
        model: { precision },
        engine: { numPages: 40, maxModelLen: 400 },
      });
      const texts = await Promise.all(
        all.map(async (request) => (await whole(tight.engine, request)).texts[0]),
      );
      assert.deepEqual(texts.slice(0, 5), alone);
      assert.ok(tight.engine.status().counters.preemptions > 5, "the pool was too large to preempt");
    }
  });
}
