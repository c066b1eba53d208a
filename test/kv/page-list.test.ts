import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { PageList } from "../../src/kv/page-list.ts";

test("pages leave in the order they came, those taken from the middle aside", () => {
  const list = new PageList(4);
  for (const page of [2, 0, 3, 1]) list.pushBack(page);
  list.remove(0);
  assert.deepEqual([list.popFront(), list.popFront(), list.popFront(), list.size], [2, 3, 1, 0]);
});

test("a page cannot be listed twice, nor removed when it is not there", () => {
  const list = new PageList(2);
  list.pushBack(1);
  assert.throws(() => list.pushBack(1), { code: "internal" });
  assert.throws(() => list.remove(0), { code: "internal" });
  assert.equal(list.popFront(), 1);
  assert.throws(() => list.popFront(), { code: "internal" });
});

test("it behaves as an array does", () => {
  const numPages = 6;
  const property = fc.property(fc.array(fc.nat(numPages), { maxLength: 60 }), (choices) => {
    const list = new PageList(numPages);
    let model: number[] = [];
    for (const page of choices) {
      if (page === numPages) {
        if (model.length > 0) assert.equal(list.popFront(), model.shift());
      } else if (model.includes(page)) {
        list.remove(page);
        model = model.filter((other) => other !== page);
      } else {
        list.pushBack(page);
        model.push(page);
      }
      assert.equal(list.size, model.length);
    }
  });
  fc.assert(property, { numRuns: 200 });
});
