import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DEFAULT_BATCHING } from "../../src/scheduling/batching-options.ts";
import { timeToClose, type WaitingRequest } from "../../src/scheduling/prefill-gate.ts";

const ROOM = { numFreeSlots: 8, numTokens: 100 };
const options = { ...DEFAULT_BATCHING, prefillDelayMs: 10 };
const waiting = (count: number, numTokens = 5): WaitingRequest[] =>
  Array.from({ length: count }, (_, index) => ({ arrivedMs: index, numTokens, numSlots: 1 }));

test("a batch closes when its oldest request has waited long enough", () => {
  assert.equal(timeToClose(waiting(2), options, ROOM, 4), 6);
  assert.equal(timeToClose(waiting(2), options, ROOM, 10), 0);
});

test("a batch closes at once when it is full of requests, of tokens, or of answers", () => {
  assert.equal(timeToClose(waiting(3), { ...options, maxPrefillSeqs: 3 }, ROOM, 4), 0);
  assert.equal(timeToClose(waiting(2), { ...options, maxPrefillTokens: 10 }, ROOM, 4), 0);
  assert.equal(timeToClose(waiting(2, 50), options, ROOM, 4), 0);
  assert.equal(timeToClose([{ arrivedMs: 0, numTokens: 5, numSlots: 8 }], options, ROOM, 4), 0);
  assert.equal(timeToClose(waiting(7), options, ROOM, 4), 6);
});

test("without a delay nobody waits", () => {
  assert.equal(timeToClose(waiting(1), DEFAULT_BATCHING, ROOM, 0), 0);
});

test("nobody waits longer than the delay, and more requests never make it longer", () => {
  const property = fc.property(
    fc.nat(6),
    fc.nat(30),
    fc.integer({ min: 1, max: 30 }),
    (count, now, delay) => {
      const withDelay = { ...options, prefillDelayMs: delay };
      const left = timeToClose(waiting(count + 1), withDelay, ROOM, now);
      assert.ok(left >= 0 && left <= Math.max(0, delay - now));
      assert.ok(timeToClose(waiting(count + 2), withDelay, ROOM, now) <= left);
    },
  );
  fc.assert(property, { numRuns: 300 });
});
