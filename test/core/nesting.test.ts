import assert from "node:assert/strict";
import { test } from "node:test";
import { isNestedTooDeep, MAX_NESTING } from "../../src/core/nesting.ts";

const lists = (levels: number): unknown => JSON.parse("[".repeat(levels) + "]".repeat(levels));
const objects = (levels: number): unknown =>
  JSON.parse(`${'{"a":'.repeat(levels - 1)}{}${"}".repeat(levels - 1)}`);

test("lists and objects may lie in each other so deep and no deeper, wherever the deep one is", () => {
  for (const nested of [lists, objects]) {
    assert.equal(isNestedTooDeep(nested(MAX_NESTING)), false);
    assert.equal(isNestedTooDeep(nested(MAX_NESTING + 1)), true);
    assert.equal(isNestedTooDeep({ a: 1, b: [null, "x", nested(MAX_NESTING - 2)] }), false);
    assert.equal(isNestedTooDeep({ a: 1, b: [null, "x", nested(MAX_NESTING - 1)] }), true);
  }
  assert.equal(isNestedTooDeep(lists(1_000_000)), true);
});

test("values without parts and buffers are not deep", () => {
  for (const value of [undefined, null, 1, "[[[", true, new Int32Array(4), {}, []])
    assert.equal(isNestedTooDeep(value, 1), false);
});
