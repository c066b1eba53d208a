import assert from "node:assert/strict";
import { test } from "node:test";
import { EngineTrace } from "./engine-trace.ts";
import { ids } from "./requests.ts";

const WHOLE = { wholePrompts: true, prefixCache: false, maxNumBatchedTokens: 8 } as const;

test("a prompt beyond the budget of a step is computed in one, and one at a time", () => {
  const engine = new EngineTrace(WHOLE);
  engine.add("a", ids(1, 20), { maxTokens: 2 });
  engine.add("b", ids(30, 12), { maxTokens: 2 });
  engine.drain();
  assert.deepEqual(
    engine.takeLines().map((line) => line.replaceAll(/ \[[^\]]*\]/g, "")),
    ["1: a 0+20 *", "2: a 20+1 * | b 0+12 *", "3: b 12+1 *"],
  );
});

test("prompts that fit share a step; one that would be cut waits for the next", () => {
  const engine = new EngineTrace(WHOLE);
  for (const [index, name] of ["a", "b", "c"].entries())
    engine.add(name, ids(1 + 20 * index, 4), { maxTokens: 1 });
  engine.drain();
  assert.deepEqual(
    engine.takeLines().map((line) => line.replaceAll(/ \[[^\]]*\]/g, "")),
    ["1: a 0+4 * | b 0+4 *", "2: c 0+4 *"],
  );
});

test("log-probabilities of a prompt that is read in both directions are refused", () => {
  const engine = new EngineTrace(WHOLE);
  assert.throws(() => engine.add("a", ids(1, 4), { promptLogprobs: 0 }), {
    code: "invalid_request",
    message: /in one piece/,
  });
});
