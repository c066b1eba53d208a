import assert from "node:assert/strict";
import { test } from "node:test";
import { watchParent } from "../../src/cli/parent-watch.ts";
import { ManualClock } from "../../src/core/manual-clock.ts";

test("a parent that is gone is noticed once", () => {
  const clock = new ManualClock();
  let parent = 10;
  let numCalls = 0;
  watchParent(
    clock,
    () => parent,
    () => numCalls++,
  );
  clock.advance(5000);
  assert.equal(numCalls, 0);
  parent = 1;
  clock.advance(5000);
  assert.equal(numCalls, 1);
  assert.equal(clock.numPending, 0);
});

test("an ended watch notices nothing more", () => {
  const clock = new ManualClock();
  let parent = 10;
  const end = watchParent(
    clock,
    () => parent,
    () => assert.fail("called"),
  );
  clock.advance(5000);
  end();
  parent = 1;
  clock.advance(5000);
  assert.equal(clock.numPending, 0);
});
