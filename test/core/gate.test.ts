import assert from "node:assert/strict";
import { test } from "node:test";
import { Gate } from "../../src/core/gate.ts";

test("a few run, some wait in order, the next is refused, and a failure gives its place on", async () => {
  const gate = new Gate({ name: "pool", maxConcurrent: 2, maxQueued: 2 });
  const started: number[] = [];
  const ends = Array.from({ length: 4 }, () => Promise.withResolvers<number>());
  const runs = ends.map(({ promise }, index) =>
    gate.run(() => {
      started.push(index);
      return promise;
    }),
  );
  await Promise.resolve();
  assert.deepEqual(started, [0, 1]);
  await assert.rejects(
    gate.run(async () => 0),
    { code: "queue_full" },
  );
  ends[1]!.reject(new RangeError("bad text"));
  await assert.rejects(runs[1]!, RangeError);
  assert.deepEqual(started, [0, 1, 2]);
  for (const index of [0, 2, 3]) ends[index]!.resolve(index);
  assert.deepEqual(await Promise.all([runs[0], runs[2], runs[3]]), [0, 2, 3]);
  assert.equal(await gate.run(async () => 9), 9);
});
