import assert from "node:assert/strict";
import { test } from "node:test";
import {
  addStepTotals,
  createStepTimes,
  readStepTimes,
  readStepTotals,
  STEP_TIMES_KEPT,
  StepTimesWriter,
  stepParts,
} from "../../src/scheduling/step-times.ts";
import { stepFigures } from "./step-figures.ts";

const row = (n: number) => ({
  engine: 0,
  ...stepFigures({ totalMs: n + 0.5, executeMs: n, sampleMs: 0.25, numTokens: n * 2, outputBytes: n * 1000 }),
});

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

test("totals go on beyond the steps that are kept, and those of several engines add up", () => {
  const memory = createStepTimes();
  const writer = new StepTimesWriter(memory);
  for (let n = 0; n < STEP_TIMES_KEPT + 10; n++) writer.write(row(1));
  const totals = readStepTotals(memory);
  assert.deepEqual(
    [totals.numTokens, totals.outputBytes, totals.planMs],
    [2 * (STEP_TIMES_KEPT + 10), 1000 * (STEP_TIMES_KEPT + 10), 0],
  );
  assert.equal(addStepTotals([totals, totals]).outputBytes, 2 * totals.outputBytes);
});

test("the parts of a step make its total, and what nobody measured was a message on its way", () => {
  const figures = { totalMs: 20, planMs: 1, executeMs: 15, runMs: 10, waitMs: 2, sampleMs: 2, commitMs: 0.5 };
  const parts = stepParts(stepFigures(figures));
  assert.deepEqual(Object.fromEntries(parts), {
    plan: 1,
    run: 10,
    wait: 2,
    model: 3,
    sample: 2,
    commit: 0.5,
    messages: 1.5,
  });
});
