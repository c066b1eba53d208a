import assert from "node:assert/strict";
import { test } from "node:test";
import { EventQueue } from "../../src/core/event-queue.ts";

function recorded(): { queue: EventQueue<number>; marks: string[] } {
  const marks: string[] = [];
  const queue = new EventQueue<number>({
    highWaterMark: 4,
    lowWaterMark: 1,
    onHigh: () => marks.push("high"),
    onLow: () => marks.push("low"),
  });
  return { queue, marks };
}

test("items come out in order, also those pushed while the consumer waits", async () => {
  const { queue } = recorded();
  const seen: number[] = [];
  const done = (async () => {
    for await (const item of queue) seen.push(item);
  })();
  for (let i = 0; i < 200; i++) {
    queue.push(i);
    if (i % 7 === 0) await Promise.resolve();
  }
  queue.end();
  await done;
  assert.deepEqual(
    seen,
    Array.from({ length: 200 }, (_, i) => i),
  );
});

test("high is called once on the way up and low once on the way down", async () => {
  const { queue, marks } = recorded();
  for (let i = 0; i < 6; i++) queue.push(i);
  assert.deepEqual(marks, ["high"]);
  queue.end();
  for await (const item of queue) assert.ok(item >= 0);
  assert.deepEqual(marks, ["high", "low"]);
});

test("a failure is thrown after the items that were there, and later pushes are ignored", async () => {
  const { queue } = recorded();
  queue.push(1);
  queue.fail(new RangeError("broken"));
  queue.push(2);
  const seen: number[] = [];
  await assert.rejects(async () => {
    for await (const item of queue) seen.push(item);
  }, RangeError);
  assert.deepEqual(seen, [1]);
});
