import assert from "node:assert/strict";
import { test } from "node:test";
import { type MergedItem, mergeStreams } from "../../src/serving/merge-streams.ts";

async function* count(
  from: number,
  to: number,
  onPull: () => void = () => undefined,
): AsyncGenerator<number> {
  for (let k = from; k < to; k++) {
    onPull();
    yield k;
  }
}

test("every item comes once, in the order of its own stream", async () => {
  const merged = await Array.fromAsync(mergeStreams([count(0, 5), count(10, 13), count(0, 0)]));
  const of = (source: number): number[] =>
    merged.filter((each) => each.source === source).map(({ item }) => item);
  assert.deepEqual([of(0), of(1), of(2)], [[0, 1, 2, 3, 4], [10, 11, 12], []]);
});

test("a consumer that does not take pauses every stream", async () => {
  let numPulls = 0;
  const merged = mergeStreams([count(0, 100, () => numPulls++), count(0, 100, () => numPulls++)]);
  await merged.next();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(numPulls, 2);
  await merged.return(undefined);
});

test("the failure of one is the failure of all, after what came before it", async () => {
  async function* broken(): AsyncGenerator<number> {
    yield 1;
    throw new RangeError("broken");
  }
  const seen: MergedItem<number>[] = [];
  await assert.rejects(async () => {
    for await (const item of mergeStreams([broken()])) seen.push(item);
  }, RangeError);
  assert.deepEqual(seen, [{ source: 0, item: 1 }]);
});
