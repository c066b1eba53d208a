import assert from "node:assert/strict";
import { test } from "node:test";
import { FloatScratch } from "../../src/execution/float-scratch.ts";

test("float scratch - what was taken stays intact while more is taken", () => {
  const scratch = new FloatScratch();
  const taken = Array.from({ length: 20 }, (_, i) => scratch.take(i * 7).fill(i));
  for (const [i, floats] of taken.entries()) {
    assert.equal(floats.length, i * 7);
    assert.ok(floats.every((value) => value === i));
  }
});

test("float scratch - after a reset the same memory is given again", () => {
  const scratch = new FloatScratch();
  scratch.take(100);
  scratch.reset();
  const first = scratch.take(60);
  scratch.reset();
  assert.equal(scratch.take(60).buffer, first.buffer);
});
