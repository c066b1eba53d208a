import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { argMax, describeUnusableRow } from "../../src/sampling/arg-max.ts";
import { arbitraryRow, entriesOf, sortedEntries } from "./reference.ts";

test("gives the largest logit, of equals the lowest id", () => {
  fc.assert(
    fc.property(arbitraryRow(), (row) => {
      assert.equal(argMax(row), sortedEntries(entriesOf(row))[0]!.id);
    }),
  );
});

test("refuses rows that are no distribution, and says why", () => {
  const cases: [number[], RegExp][] = [
    [[1, Number.NaN, 2], /token 1 is NaN/],
    [[Number.NaN, 1], /token 0 is NaN/],
    [[3, 2, Number.NaN], /token 2 is NaN/],
    [[1, Number.POSITIVE_INFINITY, 2], /token 1 is Infinity/],
    [[Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY], /no token is left/],
  ];
  for (const [logits, reason] of cases) {
    const row = Float32Array.from(logits);
    assert.equal(argMax(row), -1);
    assert.match(describeUnusableRow(row), reason);
  }
});

test("takes -Infinity as a forbidden token", () => {
  assert.equal(argMax(Float32Array.from([Number.NEGATIVE_INFINITY, -5, -6])), 1);
});
