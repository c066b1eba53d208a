import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "../../src/core/manual-clock.ts";

test("timers fire in due order at their own time, including ones set meanwhile", () => {
  const clock = new ManualClock();
  const fired: string[] = [];
  clock.schedule(20, () => fired.push(`b@${clock.now()}`));
  clock.schedule(10, () => {
    fired.push(`a@${clock.now()}`);
    clock.schedule(5, () => fired.push(`c@${clock.now()}`));
  });
  clock.advance(9);
  assert.deepEqual(fired, []);
  clock.advance(21);
  assert.deepEqual(fired, ["a@10", "c@15", "b@20"]);
  assert.equal(clock.now(), 30);
});

test("a cancelled timer never fires and is not pending", () => {
  const clock = new ManualClock();
  const timer = clock.schedule(1, () => assert.fail("cancelled"));
  timer.cancel();
  timer.cancel();
  clock.advance(10);
  assert.equal(clock.numPending, 0);
});
