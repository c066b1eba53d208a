import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { KvCache } from "../../src/kv/kv-cache.ts";
import { RequestGroup } from "../../src/scheduling/request-group.ts";
import { Sequence } from "../../src/scheduling/sequence.ts";
import { SequenceQueue } from "../../src/scheduling/sequence-queue.ts";
import { request } from "./requests.ts";

function sequences(count: number): Sequence[] {
  const kv = new KvCache({ numPages: 1, pageSize: 1, prefixCache: false });
  const group = new RequestGroup(request("a", [1]), 0);
  return Array.from(
    { length: count },
    (_, index) => new Sequence({ number: index, group, index, kv: kv.open(index) }),
  );
}

test("sequences stand by age, in whatever order they come and go", () => {
  const all = sequences(12);
  const property = fc.property(fc.array(fc.nat(11), { maxLength: 40 }), (places) => {
    const queue = new SequenceQueue();
    const expected = new Set<number>();
    for (const place of places) {
      if (expected.delete(place)) queue.remove(all[place]!);
      else {
        queue.add(all[place]!);
        expected.add(place);
      }
      const numbers = [...expected].sort((a, b) => a - b);
      assert.deepEqual(
        [...queue].map((each) => each.number),
        numbers,
      );
      assert.equal(queue.size, numbers.length);
      assert.equal(queue.at(-1)?.number, numbers.at(-1));
    }
  });
  fc.assert(property, { numRuns: 200 });
});

test("the youngest that fits a condition is found", () => {
  const queue = new SequenceQueue();
  for (const each of sequences(5)) queue.add(each);
  assert.equal(queue.findYoungest(({ number }) => number % 2 === 1)?.number, 3);
  assert.equal(
    queue.findYoungest(() => false),
    undefined,
  );
});

test("a sequence is in the queue once or not at all", () => {
  const queue = new SequenceQueue();
  const [first, second] = sequences(2);
  queue.add(first!);
  assert.throws(() => queue.add(first!), { code: "internal" });
  assert.throws(() => queue.remove(second!), { code: "internal" });
});
