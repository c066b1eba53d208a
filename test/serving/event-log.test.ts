import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { EventLog } from "../../src/serving/event-log.ts";

test("events are numbered from 0 and found by their number", () => {
  const log = new EventLog<string>(4);
  assert.deepEqual([log.append("a"), log.append("b")], [0, 1]);
  assert.deepEqual([log.at(0), log.at(1), log.at(2), log.at(-1)], ["a", "b", undefined, undefined]);
});

test("a log of events that nobody took is full at its limit and drops none", () => {
  const log = new EventLog<number>(4);
  for (let n = 0; n < 4; n++) log.append(n);
  assert.equal(log.isFull, true);
  log.append(4);
  assert.deepEqual([log.first, log.at(0), log.at(4)], [0, 0, 4]);
});

test("half of the room keeps what was sent", () => {
  const log = new EventLog<number>(4);
  for (let n = 0; n < 4; n++) log.append(n);
  log.markSent(2);
  assert.equal(log.isFull, true);
  log.markSent(4);
  log.append(4);
  log.append(5);
  assert.deepEqual([log.isFull, log.first, log.at(1), log.at(2)], [true, 2, undefined, 2]);
});

test("marks never go back nor beyond the end", () => {
  const log = new EventLog<number>(4);
  log.append(0);
  log.markSent(9);
  log.markSent(0);
  assert.equal(log.sent, 1);
});

test("whatever is appended and sent: the limit holds, nothing unsent is lost, half of the limit is there again", () => {
  const step = fc.oneof(fc.constant("append" as const), fc.nat({ max: 40 }));
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 9 }), fc.array(step, { maxLength: 60 }), (maxEvents, steps) => {
      const log = new EventLog<number>(maxEvents);
      for (const action of steps) {
        if (action !== "append") log.markSent(action);
        else if (!log.isFull) assert.equal(log.append(log.next), log.next - 1);
        assert.ok(log.next - log.first <= maxEvents);
        assert.ok(log.first <= Math.max(0, log.sent - Math.floor(maxEvents / 2)));
        for (let number = log.first; number < log.next; number++) assert.equal(log.at(number), number);
      }
    }),
    { numRuns: 200 },
  );
});
