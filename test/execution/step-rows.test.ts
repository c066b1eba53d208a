import assert from "node:assert/strict";
import { test } from "node:test";
import { allRows, logitRows, slotsOf } from "../../src/execution/step-rows.ts";
import type { ExecutionBatch } from "../../src/scheduling/step-plan.ts";

/** A chunk of 3 after 4, a decode at 20, a prompt of 2, a decode at 9; pages of 4 tokens. */
const BATCH: ExecutionBatch = {
  step: 1,
  tokenIds: Int32Array.of(100, 101, 102, 200, 300, 301, 400),
  tokenStarts: Int32Array.of(0, 3, 4, 6, 7),
  contextLens: Int32Array.of(4, 20, 0, 9),
  promptLens: Int32Array.of(7, 12, 2, 9),
  blockStarts: Int32Array.of(0, 2, 8, 9, 12),
  blockTables: Int32Array.of(50, 51, 60, 61, 62, 63, 64, 65, 70, 80, 81, 82),
  logitTokens: Int32Array.of(1, 2, 3, 5, 6),
  pageCopies: new Int32Array(0),
};

test("step rows - single tokens come first, shortest first, then chunks as they came", () => {
  const { tokens, positions, pieces } = allRows(BATCH, null);
  assert.deepEqual([...tokens], [6, 3, 0, 1, 2, 4, 5]);
  assert.deepEqual([...positions], [9, 20, 4, 5, 6, 0, 1]);
  assert.deepEqual(
    pieces.map((piece) => [...piece.blockTable]),
    [[80, 81, 82], [60, 61, 62, 63, 64, 65], [50, 51], [70]],
  );
});

test("step rows - every row's slot comes from its own block table", () => {
  assert.deepEqual(
    [...slotsOf(allRows(BATCH, null), 4)],
    [82 * 4 + 1, 65 * 4, 51 * 4, 51 * 4 + 1, 51 * 4 + 2, 70 * 4, 70 * 4 + 1],
  );
});

test("step rows - the rows that go on to the logits are those asked for, at their positions", () => {
  const { tokens, positions, pieces } = logitRows(BATCH, null);
  assert.deepEqual([...tokens], [5, 6, 3, 1, 2]);
  assert.deepEqual([...positions], [1, 9, 20, 5, 6]);
  assert.deepEqual(
    pieces.map((piece) => piece.numQueries),
    [1, 1, 1, 2],
  );
});

test("step rows - tokens asked for with a gap are pieces of their own", () => {
  const { tokens, pieces } = logitRows({ ...BATCH, logitTokens: Int32Array.of(0, 2) }, null);
  assert.deepEqual([...tokens], [0, 2]);
  assert.deepEqual(
    pieces.map((piece) => piece.position),
    [4, 6],
  );
});
