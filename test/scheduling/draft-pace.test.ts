import assert from "node:assert/strict";
import { test } from "node:test";
import { DraftPace } from "../../src/scheduling/draft-pace.ts";

test("right drafts get twice as long, half-right ones reach a token further than they were right", () => {
  const pace = new DraftPace();
  assert.equal(pace.length, 2);
  pace.record(2, 2);
  assert.equal(pace.length, 4);
  pace.record(4, 4);
  assert.equal(pace.length, 8);
  pace.record(8, 2);
  assert.equal(pace.length, 3);
});

test("a right draft that others made short does not make the next one shorter", () => {
  const pace = new DraftPace();
  pace.record(2, 2);
  pace.record(1, 1);
  assert.equal(pace.length, 4);
});

test("after wrong drafts there is none for 1, 3, 7, 15, 15 draws", () => {
  const pace = new DraftPace();
  const rests: number[] = [];
  for (let round = 0; round < 5; round++) {
    pace.record(pace.length, 0);
    let numDraws = 0;
    for (; pace.length === 0; numDraws++) pace.record(0, 0);
    rests.push(numDraws);
    assert.equal(pace.length, 1);
  }
  assert.deepEqual(rests, [1, 3, 7, 15, 15]);
  pace.record(1, 1);
  pace.record(2, 0);
  assert.equal(pace.length, 0);
  pace.record(0, 0);
  assert.equal(pace.length, 1, "one right draft makes up for all wrong ones");
});
