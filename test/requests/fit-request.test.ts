import assert from "node:assert/strict";
import { test } from "node:test";
import { cutIds } from "../../src/core/cut-ids.ts";
import { checkPromptLength, promptCuts, shortenAnswer } from "../../src/requests/fit-request.ts";
import { DEFAULT_SAMPLING_PARAMS } from "../../src/sampling/sampling-ranges.ts";

const LIMITS = { maxPromptTokens: 4, longPrompts: "refuse", maxModelLen: 10 } as const;
const params = { ...DEFAULT_SAMPLING_PARAMS, bestOf: 1 };
const ids = Int32Array.of(1, 2, 3, 4, 5, 6);

test("a long prompt is refused, or cut to its start or end", () => {
  assert.throws(() => checkPromptLength(LIMITS, 5), {
    code: "prompt_too_long",
    message: "The prompt has 5 tokens; the limit of this server is 4. Shorten the prompt.",
  });
  checkPromptLength(LIMITS, 4);
  const start = promptCuts({ ...LIMITS, longPrompts: "keepStart" }, undefined);
  const end = promptCuts({ ...LIMITS, longPrompts: "keepEnd" }, undefined);
  assert.deepEqual([...cutIds(ids, start)], [1, 2, 3, 4]);
  assert.deepEqual([...cutIds(ids, end)], [3, 4, 5, 6]);
});

test("a request's own cut comes before the server's", () => {
  const cuts = promptCuts({ ...LIMITS, longPrompts: "keepStart" }, { numTokens: 5, keep: "end" });
  assert.deepEqual([...cutIds(ids, cuts)], [2, 3, 4, 5]);
  assert.equal(cutIds(ids, [{ numTokens: 6, keep: "end" }]), ids);
});

test("an answer is shortened to what the prompt leaves, and keeps at least a token", () => {
  const asked = { ...params, maxTokens: 8, minTokens: 7 };
  const { maxTokens, minTokens } = shortenAnswer(asked, LIMITS, 6);
  assert.deepEqual([maxTokens, minTokens], [4, 4]);
  assert.equal(shortenAnswer(asked, LIMITS, 2), asked);
  assert.equal(shortenAnswer(params, LIMITS, 6), params);
  assert.equal(shortenAnswer(asked, LIMITS, 12).maxTokens, 1);
});
