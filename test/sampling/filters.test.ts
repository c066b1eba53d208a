import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Candidates } from "../../src/sampling/candidates.ts";
import { minPFloor } from "../../src/sampling/min-p.ts";
import { gatherNucleus, keepNucleus } from "../../src/sampling/nucleus.ts";
import { keepTypical } from "../../src/sampling/typical.ts";
import {
  arbitraryLogit,
  arbitraryRow,
  arbitraryShare,
  type Entry,
  entriesOf,
  normalRow,
  referenceMinP,
  referenceTopP,
  referenceTypicalP,
} from "./reference.ts";

const temperature = fc.constantFrom(0.3, 0.7, 1, 1.9);

function gather(row: Float32Array, temperature: number, minP = 0): Candidates {
  const candidates = new Candidates(row.length);
  const scale = { largest: Math.max(...row), inverseTemperature: 1 / temperature };
  candidates.gather(row, { logit: minPFloor(minP, scale), lastId: row.length }, scale);
  return candidates;
}

function idsOf(candidates: Candidates): number[] {
  return [...candidates.ids.subarray(0, candidates.count)];
}

function ascendingIds(entries: readonly Entry[]): number[] {
  return entries.map(({ id }) => id).sort((a, b) => a - b);
}

test("top-p keeps what sorting the row would", () => {
  fc.assert(
    fc.property(arbitraryRow(), arbitraryShare(), temperature, (row, topP, temperature) => {
      const candidates = gather(row, temperature);
      keepNucleus(candidates, topP);
      assert.deepEqual(idsOf(candidates), ascendingIds(referenceTopP(entriesOf(row), topP, temperature)));
    }),
    { numRuns: 500 },
  );
});

test("top-p includes the token that crosses and takes the lowest ids of equal tokens", () => {
  const nucleusOf = (logits: readonly number[], topP: number) => {
    const candidates = gather(Float32Array.from(logits), 1);
    keepNucleus(candidates, topP);
    return idsOf(candidates);
  };
  assert.deepEqual(nucleusOf([0, 0, 0, 0], 0.5), [0, 1]);
  assert.deepEqual(nucleusOf([0, 0, 0, 0], 0.500001), [0, 1, 2]);
  assert.deepEqual(nucleusOf([0, 5, 0, 0], 1e-9), [1]);
  assert.deepEqual(nucleusOf([1, 0, 1, 0], 0.9999999), [0, 1, 2, 3]);
});

test("typical-p keeps what sorting the row by distance from the entropy would", () => {
  const row = fc.uniqueArray(arbitraryLogit(), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(row, arbitraryShare(), temperature, (logits, typicalP, temperature) => {
      const row = Float32Array.from(logits);
      const candidates = gather(row, temperature);
      keepTypical(candidates, typicalP);
      assert.deepEqual(
        idsOf(candidates),
        ascendingIds(referenceTypicalP(entriesOf(row), typicalP, temperature)),
      );
    }),
    { numRuns: 300 },
  );
});

test("typical-p may drop the most likely token", () => {
  // One token of 30 %, seventy of 1 %: the entropy is near the surprise of the seventy.
  const row = Float32Array.from([Math.log(30), ...new Array<number>(70).fill(0)]);
  const candidates = gather(row, 1);
  keepTypical(candidates, 0.495);
  assert.deepEqual(
    idsOf(candidates),
    Array.from({ length: 50 }, (_, index) => index + 1),
  );
});

test("min-p keeps tokens by their ratio to the most likely one", () => {
  fc.assert(
    fc.property(arbitraryRow(), arbitraryShare(), temperature, (row, minP, temperature) => {
      const candidates = gather(row, temperature, minP);
      assert.deepEqual(idsOf(candidates), ascendingIds(referenceMinP(entriesOf(row), minP, temperature)));
    }),
    { numRuns: 300 },
  );
  assert.deepEqual(idsOf(gather(Float32Array.from([1, 2, 2, 1.99]), 1, 1)), [1, 2]);
});

test("the nucleus of a whole row is that of its sorted tokens, however flat or steep it is", () => {
  for (const spread of [0, 0.01, 1, 4, 30]) {
    for (const topP of [0.01, 0.5, 0.9, 0.999, 0.9999999, 1 - 2 ** -53]) {
      const row = normalRow(2000, 11, spread);
      const whole = gather(row, 1);
      keepNucleus(whole, topP);
      const candidates = new Candidates(row.length);
      gatherNucleus(candidates, row, { largest: Math.max(...row), inverseTemperature: 1 }, topP);
      assert.deepEqual(idsOf(candidates), idsOf(whole));
      if (topP < 0.999999) {
        assert.deepEqual(idsOf(candidates), ascendingIds(referenceTopP(entriesOf(row), topP, 1)));
      }
    }
  }
});
