import assert from "node:assert/strict";
import { test } from "node:test";
import { fastExp } from "../../src/sampling/fast-exp.ts";

test("agrees with Math.exp to 13 digits over its whole range", () => {
  let worst = 0;
  for (let z = 0; z >= -708; z -= 0.00917) {
    worst = Math.max(worst, Math.abs(fastExp(z) - Math.exp(z)) / Math.exp(z));
  }
  assert.ok(worst < 1e-13, `relative error ${worst}`);
});

test("is exactly 1 at 0 and 0 where a double ends", () => {
  assert.equal(fastExp(0), 1);
  assert.equal(fastExp(-0), 1);
  assert.equal(fastExp(-709), 0);
  assert.equal(fastExp(-1e300), 0);
  assert.equal(fastExp(Number.NEGATIVE_INFINITY), 0);
});

test("never rises when its argument falls", () => {
  let before = fastExp(0);
  for (let step = 1; step < 200_000; step++) {
    const value = fastExp(-step / 8192);
    assert.ok(value <= before);
    before = value;
  }
});
