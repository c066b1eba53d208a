import assert from "node:assert/strict";
import { test } from "node:test";
import { alibiSlopes } from "../../../src/model/architectures/alibi.ts";

test("powers of two: a geometric row from 2^(-8/n) down to 2^-8", () => {
  assert.deepEqual(alibiSlopes(4), [1 / 4, 1 / 16, 1 / 64, 1 / 256]);
  assert.deepEqual(
    alibiSlopes(8),
    [1, 2, 3, 4, 5, 6, 7, 8].map((power) => 2 ** -power),
  );
  assert.deepEqual(alibiSlopes(1), [1 / 256]);
});

test("other numbers: the next smaller power of two, then every second slope of the next larger", () => {
  assert.deepEqual(alibiSlopes(6), [1 / 4, 1 / 16, 1 / 64, 1 / 256, 1 / 2, 1 / 8]);
  assert.deepEqual(alibiSlopes(3), [1 / 16, 1 / 256, 1 / 4]);
});

/** Baichuan's own, for its 40 heads: build_alibi of its modelling code, slope by slope. */
function interleaved(numHeads: number): number[] {
  if (Number.isInteger(Math.log2(numHeads))) {
    const start = 2 ** -(2 ** -(Math.log2(numHeads) - 3));
    return Array.from({ length: numHeads }, (_, i) => start * start ** i);
  }
  const closest = 2 ** Math.floor(Math.log2(numHeads));
  const more = interleaved(2 * closest).filter((_, i) => i % 2 === 0);
  return [...interleaved(closest), ...more.slice(0, numHeads - closest)];
}

for (const numHeads of [5, 12, 32, 40, 112]) {
  test(`${numHeads} heads have the slopes that Baichuan and BLOOM compute`, () => {
    const slopes = alibiSlopes(numHeads);
    assert.equal(slopes.length, numHeads);
    for (const [i, expected] of interleaved(numHeads).entries()) {
      assert.ok(Math.abs(slopes[i]! / expected - 1) < 1e-9, `head ${i}`);
    }
  });
}
