import assert from "node:assert/strict";
import { test } from "node:test";
import { pageCopies } from "../../src/execution/page-copies.ts";
import type { ExecutionBatch } from "../../src/scheduling/step-plan.ts";

/** Two sequences: 20 tokens in pages 5 and 6, 16 in pages 8 and 9; pages of 16. */
function batch(copies: readonly number[]): ExecutionBatch {
  return {
    step: 1,
    tokenIds: new Int32Array(2),
    tokenStarts: Int32Array.of(0, 1, 2),
    contextLens: Int32Array.of(20, 16),
    promptLens: Int32Array.of(20, 16),
    blockStarts: Int32Array.of(0, 2, 4),
    blockTables: Int32Array.of(5, 6, 8, 9),
    logitTokens: Int32Array.of(0, 1),
    pageCopies: Int32Array.from(copies),
  };
}

test("page copies - a copy holds the tokens that its owner had before the step", () => {
  assert.deepEqual(pageCopies(batch([1, 6, 2, 5, 3, 9, 4, 8]), 16), [
    { pages: [1, 6], numTokens: 4 },
    { pages: [2, 5], numTokens: 16 },
    { pages: [3, 9], numTokens: 0 },
    { pages: [4, 8], numTokens: 16 },
  ]);
});

test("page copies - a page of no sequence in the step is copied whole", () => {
  assert.deepEqual(pageCopies(batch([5, 7]), 16), [{ pages: [5, 7], numTokens: 16 }]);
});
