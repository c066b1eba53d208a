import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  type AxisCut,
  axisSize,
  type CutPart,
  cutProblem,
  rankSpans,
  spansSize,
} from "../../../src/model/tensor-parallel/tensor-cut.ts";

const query: CutPart = { name: "query", unit: "head", numUnits: 4, unitSize: 16 };
const key: CutPart = { name: "key", unit: "KV head", numUnits: 2, unitSize: 16 };
const value: CutPart = { name: "value", unit: "KV head", numUnits: 2, unitSize: 16 };
const one = (...parts: CutPart[]): AxisCut => ({ parts, numGroups: 1 });

function spansOf(cut: AxisCut, size: number): number[][][] {
  return Array.from({ length: size }, (_, rank) =>
    rankSpans(cut, { rank, size }).map(({ start, end }) => [start, end]),
  );
}

test("each part of a stacked projection is cut by itself", () => {
  assert.deepEqual(spansOf(one(query, key, value), 2), [
    [
      [0, 32],
      [64, 80],
      [96, 112],
    ],
    [
      [32, 64],
      [80, 96],
      [112, 128],
    ],
  ]);
});

test("with fewer KV heads than ranks, neighbouring ranks hold the same one", () => {
  assert.deepEqual(spansOf(one(key), 4), [[[0, 16]], [[0, 16]], [[16, 32]], [[16, 32]]]);
});

test("a projection packed by KV head keeps groups whole, and cuts inside them when there are too few", () => {
  const group = [
    { ...query, numUnits: 2 },
    { ...key, numUnits: 1 },
    { ...value, numUnits: 1 },
  ];
  const cut = { parts: group, numGroups: 2 };
  assert.deepEqual(spansOf(cut, 2), [[[0, 64]], [[64, 128]]]);
  assert.deepEqual(spansOf(cut, 4), [
    [
      [0, 16],
      [32, 64],
    ],
    [[16, 64]],
    [
      [64, 80],
      [96, 128],
    ],
    [[80, 128]],
  ]);
});

test("a vocabulary is shared unevenly where it must be", () => {
  const tokens: CutPart = { name: "vocabulary", unit: "token", numUnits: 22, unitSize: 1 };
  assert.deepEqual(spansOf(one(tokens), 3), [[[0, 8]], [[8, 16]], [[16, 22]]]);
});

test("what cannot be shared is told", () => {
  assert.equal(cutProblem(one(query), 3), "4 heads cannot be shared evenly by 3 ranks");
  assert.equal(cutProblem(one({ ...key, numUnits: 6 }), 4), "6 KV heads cannot be shared evenly by 4 ranks");
  assert.equal(cutProblem({ parts: [key], numGroups: 6 }, 4), "6 KV heads cannot be shared by 4 ranks");
  assert.equal(cutProblem(one(query, key, value), 4), null);
});

test("whatever is cut, the ranks hold all of it, and equal shares but for a vocabulary", () => {
  const unit = fc.constantFrom("head", "KV head", "channel", "token");
  const part = fc.record({
    name: fc.string(),
    unit,
    numUnits: fc.integer({ min: 1, max: 12 }),
    unitSize: fc.integer({ min: 1, max: 5 }),
  }) as fc.Arbitrary<CutPart>;
  const cut = fc.record({
    parts: fc.array(part, { minLength: 1, maxLength: 3 }),
    numGroups: fc.integer({ min: 1, max: 4 }),
  });
  fc.assert(
    fc.property(cut, fc.integer({ min: 1, max: 8 }), (axis, size) => {
      fc.pre(cutProblem(axis, size) === null);
      const all = Array.from({ length: size }, (_, rank) => rankSpans(axis, { rank, size }));
      const held = new Set(
        all.flat().flatMap(({ start, end }) => Array.from({ length: end - start }, (_, i) => start + i)),
      );
      assert.equal(held.size, axisSize(axis));
      if (axis.parts.some((one) => one.unit === "token")) return;
      assert.equal(new Set(all.map(spansSize)).size, 1);
    }),
    { numRuns: 300 },
  );
});
