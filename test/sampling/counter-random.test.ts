import assert from "node:assert/strict";
import { test } from "node:test";
import { philox4x32, uniformAt } from "../../src/sampling/counter-random.ts";

test("philox4x32 gives the known answers published with Random123", () => {
  const all = 0xffffffff;
  assert.deepEqual(philox4x32([0, 0, 0, 0], [0, 0]), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
  assert.deepEqual(
    philox4x32([all, all, all, all], [all, all]),
    [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  );
  assert.deepEqual(
    philox4x32([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]),
    [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  );
});

test("uniformAt takes the top bits of the first two words of the block", () => {
  const expected = ((0x6627e8d5 >>> 5) * 2 ** 26 + (0xe169c58d >>> 6)) / 2 ** 53;
  assert.equal(uniformAt(0, 0), expected);
});

test("every bit of seed and position matters", () => {
  const values = new Set<number>();
  for (let bit = 0; bit < 53; bit++) {
    values.add(uniformAt(2 ** bit, 0));
    values.add(uniformAt(-(2 ** bit), 0));
    values.add(uniformAt(0, 2 ** bit));
  }
  values.add(uniformAt(Number.MAX_SAFE_INTEGER, 0));
  values.add(uniformAt(Number.MIN_SAFE_INTEGER, 0));
  // -(2 ** 53) + 1 and so on are all distinct 64-bit keys; only 0 is absent above.
  assert.equal(values.size, 3 * 53 + 2);
  assert.ok([...values].every((value) => value >= 0 && value < 1));
});

test("numbers of one seed, and first numbers of many seeds, are evenly spread", () => {
  const series = [(index: number) => uniformAt(12345, index), (index: number) => uniformAt(index, 0)];
  for (const at of series) {
    const counts = new Array<number>(100).fill(0);
    for (let index = 0; index < 50_000; index++) counts[Math.floor(at(index) * 100)]! += 1;
    const chiSquare = counts.reduce((sum, count) => sum + (count - 500) ** 2 / 500, 0);
    assert.ok(chiSquare > 55 && chiSquare < 155, `chi-square ${chiSquare} of 99 degrees of freedom`);
  }
});
