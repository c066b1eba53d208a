import assert from "node:assert/strict";
import { test } from "node:test";
import { createSamplingParams, type SamplingFields } from "../../src/sampling/create-sampling-params.ts";
import { applyPenalties, hasPenalties } from "../../src/sampling/penalties.ts";
import { TokenCounts } from "../../src/sampling/token-counts.ts";

const prompt = Int32Array.of(0, 1);
const output = Int32Array.of(1, 2, 2);

function penalized(fields: SamplingFields): number[] {
  const row = Float32Array.of(2, -2, 4, 8, -8);
  applyPenalties(row, createSamplingParams(fields), new TokenCounts(prompt, output));
  return [...row];
}

test("repetition divides positive and multiplies negative logits of prompt and output", () => {
  assert.deepEqual(penalized({ repetitionPenalty: 2 }), [1, -4, 2, 8, -8]);
  assert.deepEqual(penalized({ repetitionPenalty: 0.5 }), [4, -1, 8, 8, -8]);
});

test("frequency counts occurrences in the output, presence takes them once; the prompt counts for neither", () => {
  assert.deepEqual(penalized({ frequencyPenalty: 0.5 }), [2, -2.5, 3, 8, -8]);
  assert.deepEqual(penalized({ presencePenalty: 1.5 }), [2, -3.5, 2.5, 8, -8]);
  assert.deepEqual(penalized({ frequencyPenalty: -2, presencePenalty: -1 }), [2, 1, 9, 8, -8]);
});

test("repetition comes first, then frequency and presence", () => {
  assert.deepEqual(
    penalized({ repetitionPenalty: 2, frequencyPenalty: 1, presencePenalty: 1 }),
    [1, -6, -1, 8, -8],
  );
});

test("a penalty near 0 saturates instead of leaving the range of a float; forbidden tokens stay forbidden", () => {
  const row = Float32Array.of(2, Number.NEGATIVE_INFINITY, 4, 8, -8);
  applyPenalties(
    row,
    createSamplingParams({ repetitionPenalty: Number.MIN_VALUE }),
    new TokenCounts(prompt, output),
  );
  const largest = Math.fround(3.4028234663852886e38);
  assert.deepEqual([...row], [largest, Number.NEGATIVE_INFINITY, largest, 8, -8]);
});

test("neutral penalties ask for no counting", () => {
  assert.equal(hasPenalties(createSamplingParams({})), false);
  for (const field of ["repetitionPenalty", "frequencyPenalty", "presencePenalty"]) {
    assert.equal(hasPenalties(createSamplingParams({ [field]: 0.5 })), true);
  }
});
