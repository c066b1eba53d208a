import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DEFAULT_BATCHING } from "../../src/scheduling/batching-options.ts";
import { createPhaseChooser, type Phase } from "../../src/scheduling/phase-chooser.ts";

const leastWaste = (prefillCostMs: number, decodeCostMs: number, maxNumSeqs: number) =>
  createPhaseChooser({ ...DEFAULT_BATCHING, phases: "leastWaste", prefillCostMs, decodeCostMs }, maxNumSeqs);

test("with leastWaste prompts wait until the empty slots have cost as much as they would", () => {
  const chooser = leastWaste(150, 50, 10);
  // 150 * 6 = 900 ms for those that draw, against 50 * 4 = 200 ms more for every step with four empty slots
  const phases = Array.from({ length: 6 }, () => chooser.next(6, true));
  assert.deepEqual(phases, ["decode", "decode", "decode", "decode", "prefill", "decode"] satisfies Phase[]);
});

test("what empty slots have cost is forgotten when nobody waits", () => {
  const chooser = leastWaste(150, 50, 10);
  for (let step = 0; step < 4; step++) chooser.next(6, true);
  assert.equal(chooser.next(6, false), "decode");
  assert.equal(chooser.next(6, true), "decode");
});

test("with leastWaste prompts come up in time, whatever the costs, while a slot is empty", () => {
  const property = fc.property(
    fc.integer({ min: 0, max: 1000 }),
    fc.integer({ min: 1, max: 1000 }),
    fc.integer({ min: 2, max: 50 }),
    fc.nat(),
    (prefillCostMs, decodeCostMs, maxNumSeqs, seed) => {
      const numDecodes = seed % maxNumSeqs;
      const chooser = leastWaste(prefillCostMs, decodeCostMs, maxNumSeqs);
      const limit = Math.ceil((prefillCostMs * numDecodes) / (decodeCostMs * (maxNumSeqs - numDecodes)));
      let numSteps = 1;
      while (chooser.next(numDecodes, true) === "decode") numSteps++;
      assert.equal(numSteps, Math.max(1, limit));
    },
  );
  fc.assert(property, { numRuns: 500 });
});

test("prefillFirst draws only when no prompt is left, mixed never chooses", () => {
  const first = createPhaseChooser({ ...DEFAULT_BATCHING, phases: "prefillFirst" }, 4);
  assert.deepEqual([first.next(3, true), first.next(3, false)], ["prefill", "decode"]);
  assert.equal(createPhaseChooser(DEFAULT_BATCHING, 4).next(3, true), "mixed");
});
