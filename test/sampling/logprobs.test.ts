import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { LogprobScorer } from "../../src/sampling/logprobs.ts";
import type { TokenLogprob } from "../../src/sampling/sampling-params.ts";
import { arbitraryRow, normalRow, referenceLogprobs } from "./reference.ts";

const scorer = new LogprobScorer(20);

function assertClose(actual: TokenLogprob, expected: TokenLogprob): void {
  assert.equal(actual.tokenId, expected.tokenId);
  assert.equal(actual.rank, expected.rank);
  if (expected.logprob === Number.NEGATIVE_INFINITY) assert.equal(actual.logprob, expected.logprob);
  else
    assert.ok(Math.abs(actual.logprob - expected.logprob) < 1e-10, `${actual.logprob} ${expected.logprob}`);
}

test("agrees with a float64 log-softmax over the sorted row", () => {
  fc.assert(
    fc.property(arbitraryRow(), fc.nat(59), fc.integer({ min: 0, max: 20 }), (row, token, numTop) => {
      const tokenId = token % row.length;
      const actual = scorer.score(row, tokenId, numTop)!;
      const expected = referenceLogprobs(row, tokenId, numTop);
      assertClose(actual, expected);
      assert.equal(actual.top.length, expected.top.length);
      actual.top.forEach((entry, index) => {
        assertClose(entry, expected.top[index]!);
      });
    }),
    { numRuns: 300 },
  );
});

test("probabilities of a large row sum to 1 and hold for large logits", () => {
  const row = normalRow(5000, 3).map((logit) => logit + 1e4);
  let sum = 0;
  for (let id = 0; id < row.length; id++) sum += Math.exp(scorer.score(row, id, 0)!.logprob);
  assert.ok(Math.abs(sum - 1) < 1e-9);
});

test("equal tokens have distinct ranks, the lower id the better one", () => {
  const row = Float32Array.of(1, 2, 2, 1);
  assert.deepEqual(
    [0, 1, 2, 3].map((id) => scorer.score(row, id, 0)!.rank),
    [3, 1, 2, 4],
  );
  assert.deepEqual(
    scorer.score(row, 0, 4)!.top.map(({ tokenId }) => tokenId),
    [1, 2, 0, 3],
  );
});

test("a row that is no distribution has none", () => {
  assert.equal(scorer.score(Float32Array.of(1, Number.NaN), 0, 1), null);
  assert.equal(scorer.score(Float32Array.of(1, Number.POSITIVE_INFINITY), 0, 1), null);
});
