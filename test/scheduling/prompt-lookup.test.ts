import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { lookUpDraft } from "../../src/scheduling/prompt-lookup.ts";

const draftOf = (tokenIds: readonly number[], maxTokens: number) => [
  ...lookUpDraft(Int32Array.from(tokenIds), maxTokens),
];

test("a draft is what stood behind the last tokens where they stood before", () => {
  assert.deepEqual(draftOf([5, 6, 7, 8, 5, 6], 2), [7, 8]);
  assert.deepEqual(draftOf([1, 2, 3, 4], 4), []);
  assert.deepEqual(draftOf([5, 7, 8, 6, 5], 4), [], "one token alone says nothing");
});

test("a longer match wins over a later one, a later one over an earlier", () => {
  assert.deepEqual(draftOf([1, 2, 3, 70, 2, 3, 80, 1, 2, 3], 1), [70]);
  assert.deepEqual(draftOf([2, 3, 70, 2, 3, 80, 2, 3], 1), [80]);
  assert.deepEqual(draftOf([9, 1, 2, 3, 4, 70, 1, 2, 3, 4, 80, 9, 1, 2, 3, 4], 1), [80], "four say enough");
});

test("a repetition goes on into the draft", () => {
  assert.deepEqual(draftOf([4, 4, 4], 5), [4, 4, 4, 4, 4]);
  assert.deepEqual(draftOf([1, 2, 1, 2], 5), [1, 2, 1, 2, 1]);
});

test("nothing is too short to be looked at", () => {
  for (const tokenIds of [[], [1], [1, 1], [1, 2]]) assert.deepEqual(draftOf(tokenIds, 3), []);
});

test("it is what a plain search finds", () => {
  const tokens = fc.array(fc.nat(3), { maxLength: 40 });
  const matchBefore = (tokenIds: readonly number[], length: number): number => {
    const suffix = tokenIds.slice(tokenIds.length - length).join();
    for (let from = tokenIds.length - length - 1; from >= 0; from--)
      if (tokenIds.slice(from, from + length).join() === suffix) return from + length;
    return -1;
  };
  const plain = (tokenIds: readonly number[], maxTokens: number): number[] => {
    for (const length of [4, 3, 2]) {
      if (length >= tokenIds.length) continue;
      const behind = matchBefore(tokenIds, length);
      if (behind < 0) continue;
      const all = [...tokenIds];
      while (all.length < tokenIds.length + maxTokens) all.push(all[behind + all.length - tokenIds.length]!);
      return all.slice(tokenIds.length);
    }
    return [];
  };
  fc.assert(
    fc.property(tokens, fc.integer({ min: 1, max: 6 }), (tokenIds, maxTokens) => {
      assert.deepEqual(draftOf(tokenIds, maxTokens), plain(tokenIds, maxTokens));
    }),
    { numRuns: 2000 },
  );
});
