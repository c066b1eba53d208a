import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type GroupCosts, groupByLength } from "../../src/execution/length-groups.ts";

function costOf(lengths: readonly number[], ends: readonly number[], costs: GroupCosts): number {
  let start = 0;
  let total = 0;
  for (const end of ends) {
    const keys = (end - start) * Math.max(...lengths.slice(start, end));
    if (keys > costs.maxKeys && end - start > costs.minMembers) return Number.POSITIVE_INFINITY;
    total += costs.runKeys + keys;
    start = end;
  }
  return total;
}

/** Every way to cut `count` sequences. */
function allCuts(count: number): number[][] {
  if (count === 0) return [[]];
  return Array.from({ length: count }, (_, last) => allCuts(last).map((cut) => [...cut, count])).flat();
}

test("length groups - similar lengths share a run, a long one runs alone", () => {
  assert.deepEqual(
    groupByLength([64, 64, 64, 2048], { runKeys: 300, maxKeys: 65536, minMembers: 1 }),
    [3, 4],
  );
});

test("length groups - no group exceeds the limit unless it is small enough", () => {
  assert.deepEqual(groupByLength([64, 64, 64, 64], { runKeys: 300, maxKeys: 128, minMembers: 1 }), [2, 4]);
  assert.deepEqual(groupByLength([512, 512], { runKeys: 300, maxKeys: 128, minMembers: 1 }), [1, 2]);
  assert.deepEqual(groupByLength([512, 512, 512], { runKeys: 300, maxKeys: 128, minMembers: 3 }), [3]);
});

test("length groups - nothing gives no group", () => {
  assert.deepEqual(groupByLength([], { runKeys: 1, maxKeys: 1, minMembers: 1 }), []);
});

test("length groups - no other cut is cheaper", () => {
  const lengths = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 7 });
  const costs = fc.record({
    runKeys: fc.integer({ min: 0, max: 30 }),
    maxKeys: fc.integer({ min: 1, max: 100 }),
    minMembers: fc.integer({ min: 1, max: 3 }),
  });
  fc.assert(
    fc.property(lengths, costs, (row, cost) => {
      const found = costOf(row, groupByLength(row, cost), cost);
      const cheapest = Math.min(...allCuts(row.length).map((cut) => costOf(row, cut, cost)));
      assert.equal(found, cheapest);
    }),
    { numRuns: 200 },
  );
});
