import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MassSelector } from "../../src/sampling/mass-select.ts";
import { cumulative } from "./reference.ts";

type Item = readonly [key: number, mass: number];

function select(items: readonly Item[], target: number): Item[] {
  const keys = Float64Array.from(items, ([key]) => key);
  const masses = Float64Array.from(items, ([, mass]) => mass);
  const cut = new MassSelector(items.length).cut(keys, masses, items.length, target);
  let numTies = cut.numTies;
  return items.filter(([key]) => key < cut.key || (key === cut.key && numTies-- > 0));
}

function reference(items: readonly Item[], target: number): Item[] {
  const sorted = items
    .map((item, index) => ({ item, index }))
    .sort((a, b) => a.item[0] - b.item[0] || a.index - b.index);
  const masses = cumulative(sorted.map(({ item }) => item[1]));
  const last = masses.findIndex((mass) => mass >= target);
  const head = last < 0 ? sorted : sorted.slice(0, last + 1);
  return head.sort((a, b) => a.index - b.index).map(({ item }) => item);
}

test("finds the head that sorting would, equal keys in order of the list", () => {
  // Equal keys have equal masses, as tokens of equal logits do; whole masses make every sum exact.
  // The far key leaves all others to one bucket of the histogram.
  const key = fc.oneof(
    { weight: 30, arbitrary: fc.integer({ min: -20, max: 20 }) },
    { weight: 1, arbitrary: fc.constant(1e6) },
  );
  const item = key.map((key): Item => [key, Math.abs(key % 7)]);
  fc.assert(
    fc.property(
      fc.array(item, { minLength: 1, maxLength: 80 }),
      fc.integer({ min: 1, max: 300 }),
      (items, target) => {
        assert.deepEqual(select(items, target), reference(items, target));
      },
    ),
    { numRuns: 500 },
  );
});

test("is exact, and quick, on sorted, reversed, organ-pipe and equal keys", () => {
  const length = 20_000;
  const shapes = [
    (index: number) => index,
    (index: number) => -index,
    (index: number) => Math.min(index, length - index),
    (index: number) => -Math.min(index, length - index),
    () => 3,
  ];
  for (const keyOf of shapes) {
    const items = Array.from({ length }, (_, index): Item => [keyOf(index), 1]);
    assert.equal(select(items, length / 2).length, length / 2);
    assert.equal(select([...items, [1e12, 1]], length / 2).length, length / 2);
  }
});

test("keeps all when the mass is never reached, and one when any is enough", () => {
  const items: Item[] = [
    [3, 0.1],
    [1, 0.2],
    [2, 0.3],
  ];
  assert.equal(select(items, 10).length, 3);
  assert.deepEqual(select(items, 0), [[1, 0.2]]);
});

test("does not run away to the end of the list when sums in two orders differ in their last bits", () => {
  const masses = [0.1, 0.2, 0.3, 0.7, 0.11, 0.13, 0.17, 0.19, 0.23, 0.29];
  for (let shift = 0; shift < masses.length; shift++) {
    const items = masses.map((mass, index): Item => [(index * 7 + shift) % 10, mass]);
    const sorted = [...items].sort((a, b) => a[0] - b[0]);
    for (let head = 1; head < 10; head++) {
      const target = sorted.slice(0, head).reduceRight((sum, [, mass]) => sum + mass, 0);
      const length = select(items, target).length;
      assert.ok(length === head || length === head + 1, `${length} for ${head}`);
    }
  }
});
