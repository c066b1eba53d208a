import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { TopK } from "../../src/sampling/top-k.ts";
import { arbitraryRow, entriesOf, sortedEntries } from "./reference.ts";

test("selects what sorting the row would", () => {
  const topK = new TopK(64);
  fc.assert(
    fc.property(arbitraryRow(), fc.integer({ min: 1, max: 64 }), (row, k) => {
      const expected = sortedEntries(entriesOf(row)).slice(0, k);
      topK.select(row, k);
      assert.equal(topK.size, expected.length);
      assert.equal(topK.worstLogit, expected.at(-1)!.logit);
      assert.equal(topK.worstId, expected.at(-1)!.id);
      assert.deepEqual(
        [...topK.takeSorted()],
        expected.map(({ id }) => id),
      );
    }),
    { numRuns: 300 },
  );
});

test("holds for rows sorted either way and for equal logits", () => {
  const topK = new TopK(100);
  for (const logitOf of [(id: number) => id, (id: number) => -id, () => 1, (id: number) => id % 3]) {
    const row = Float32Array.from({ length: 1000 }, (_, id) => logitOf(id));
    topK.select(row, 100);
    const expected = sortedEntries(entriesOf(row)).slice(0, 100);
    assert.deepEqual(
      [...topK.takeSorted()],
      expected.map(({ id }) => id),
    );
  }
});

test("never selects a forbidden token", () => {
  const topK = new TopK(3);
  topK.select(Float32Array.from([Number.NEGATIVE_INFINITY, 1, Number.NEGATIVE_INFINITY]), 3);
  assert.deepEqual([...topK.takeSorted()], [1]);
  topK.select(new Float32Array(3).fill(Number.NEGATIVE_INFINITY), 3);
  assert.equal(topK.size, 0);
});

test("refuses more than its capacity", () => {
  assert.throws(() => new TopK(2).select(new Float32Array(5), 3), { code: "internal" });
});
