import assert from "node:assert/strict";
import { test } from "node:test";
import { answerSeed } from "../../src/scheduling/answer-seed.ts";

test("answer 0 draws with the request's own seed", () => {
  for (const seed of [0, -1, 42, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER])
    assert.equal(answerSeed(seed, 0), seed);
});

test("the answers of neighbouring and of large seeds all differ, and are safe integers", () => {
  const seeds = [
    ...Array(200).keys(),
    -1,
    -2,
    2 ** 32,
    2 ** 33,
    Number.MAX_SAFE_INTEGER,
    Number.MIN_SAFE_INTEGER,
  ];
  const all = seeds.flatMap((seed) => Array.from({ length: 128 }, (_, index) => answerSeed(seed, index)));
  assert.ok(all.every(Number.isSafeInteger));
  assert.equal(new Set(all).size, all.length);
});
