import assert from "node:assert/strict";
import { test } from "node:test";
import {
  createStepTimes,
  readStepTimes,
  STEP_TIMES_KEPT,
  StepTimesWriter,
} from "../../src/scheduling/step-times.ts";

const row = (n: number) => ({ engine: 0, totalMs: n + 0.5, executeMs: n, sampleMs: 0.25, numTokens: n * 2 });

test("the last steps are read in order, numbered from the first", () => {
  const memory = createStepTimes();
  assert.deepEqual(readStepTimes(memory), []);
  const writer = new StepTimesWriter(memory);
  writer.write(row(1));
  writer.write(row(2));
  assert.deepEqual(readStepTimes(memory), [
    { step: 1, ...row(1) },
    { step: 2, ...row(2) },
  ]);
  for (let n = 3; n <= STEP_TIMES_KEPT + 5; n++) writer.write(row(n));
  const kept = readStepTimes(memory);
  assert.equal(kept.length, STEP_TIMES_KEPT);
  assert.deepEqual(kept[0], { step: 6, ...row(6) });
  assert.deepEqual(kept.at(-1), { step: STEP_TIMES_KEPT + 5, ...row(STEP_TIMES_KEPT + 5) });
});

test("a later writer goes on where the last one stopped", () => {
  const memory = createStepTimes();
  new StepTimesWriter(memory).write(row(1));
  new StepTimesWriter(memory).write(row(2));
  assert.deepEqual(
    readStepTimes(memory).map(({ step }) => step),
    [1, 2],
  );
});
