import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { uniformAt } from "../../src/sampling/counter-random.ts";
import type { SamplingFields } from "../../src/sampling/create-sampling-params.ts";
import { SequenceState } from "../../src/sampling/sequence-state.ts";
import { TokenChooser } from "../../src/sampling/token-chooser.ts";
import type { SamplerSequence } from "../../src/scheduling/step-plan.ts";
import {
  arbitraryRow,
  arbitraryShare,
  cumulative,
  normalRow,
  referenceToken,
  sequenceOf,
} from "./reference.ts";

function choose(row: Float32Array, sequence: SamplerSequence): number | null {
  return new TokenChooser(row.length).choose(row, new SequenceState(sequence));
}

/** Every token that some of many seeds draw, ascending. */
function reachable(
  logits: readonly number[],
  fields: SamplingFields,
  rest: Partial<SamplerSequence> = {},
): number[] {
  const row = Float32Array.from(logits);
  const chooser = new TokenChooser(row.length);
  const tokens = new Set<number>();
  for (let seed = 0; seed < 300; seed++) {
    tokens.add(chooser.choose(row, new SequenceState(sequenceOf(fields, { ...rest, seed })))!);
  }
  return [...tokens].sort((a, b) => a - b);
}

const arbitraryFields: fc.Arbitrary<SamplingFields> = fc.record({
  temperature: fc.constantFrom(0, 0.4, 1, 1.7),
  topK: fc.constantFrom(0, 1, 3, 20, 1000),
  topP: fc.option(arbitraryShare(), { nil: 1 }),
  minP: fc.option(arbitraryShare(), { nil: 0 }),
  repetitionPenalty: fc.constantFrom(1, 0.6, 1.3),
  presencePenalty: fc.constantFrom(0, -1.5, 0.7),
  frequencyPenalty: fc.constantFrom(0, -0.3, 1.1),
  minTokens: fc.constantFrom(0, 3),
  logitBias: fc
    .array(
      fc.tuple(
        fc.nat(59),
        fc.integer({ min: -400, max: 400 }).map((quarters) => quarters / 4),
      ),
      { maxLength: 3 },
    )
    .map((entries) => new Map(entries)),
});

test("draws what the step-by-step reference draws, whatever the parameters", () => {
  const ids = fc.array(fc.nat(59), { maxLength: 6 }).map((list) => Int32Array.from(list));
  fc.assert(
    fc.property(
      arbitraryRow(),
      arbitraryFields,
      ids,
      ids,
      fc.maxSafeInteger(),
      (row, fields, prompt, output, seed) => {
        const within = (list: Int32Array) => list.map((id) => id % row.length);
        const logitBias = new Map([...(fields.logitBias ?? [])].map(([id, bias]) => [id % row.length, bias]));
        const sequence = sequenceOf(
          { ...fields, logitBias },
          { seed, promptIds: within(prompt), outputIds: within(output), endTokenIds: Int32Array.of(0) },
        );
        fc.pre(row.some((logit, id) => id > 0 && logit > Number.NEGATIVE_INFINITY));
        assert.equal(choose(row, sequence), referenceToken(row, sequence));
      },
    ),
    { numRuns: 1000 },
  );
});

test("typical-p comes after the other filters, as in the reference", () => {
  for (let seed = 0; seed < 50; seed++) {
    const row = normalRow(200, seed);
    for (const fields of [
      { typicalP: 0.6 },
      { typicalP: 0.4, topP: 0.9 },
      { typicalP: 0.7, topK: 30, minP: 0.01 },
    ]) {
      const sequence = sequenceOf(fields, { seed });
      assert.equal(choose(row, sequence), referenceToken(row, sequence));
    }
  }
});

test("never writes to the model's row", () => {
  const row = normalRow(100, 1);
  const before = Float32Array.from(row);
  const fields = {
    repetitionPenalty: 1.5,
    logitBias: new Map([[3, 5]]),
    minTokens: 2,
    topP: 0.5,
    typicalP: 0.9,
  };
  choose(row, sequenceOf(fields, { promptIds: Int32Array.of(1, 2), endTokenIds: Int32Array.of(9) }));
  assert.deepEqual(row, before);
});

test("drawn tokens have the softmax's frequencies", () => {
  // Two whole blocks and a part, so that both levels of the walk are taken.
  const row = normalRow(1300, 5, 1);
  const chooser = new TokenChooser(row.length);
  const weights = Array.from(row, (logit) => Math.exp(logit / 0.8));
  const bounds = cumulative(weights);
  const total = bounds.at(-1)!;
  const numBins = 50;
  const binOf = (id: number) => Math.floor((id * numBins) / row.length);
  const expected = new Array<number>(numBins).fill(0);
  weights.forEach((weight, id) => {
    expected[binOf(id)]! += (20_000 * weight) / total;
  });
  const counts = new Array<number>(numBins).fill(0);
  for (let seed = 0; seed < 20_000; seed++) {
    counts[binOf(chooser.choose(row, new SequenceState(sequenceOf({ temperature: 0.8 }, { seed })))!)]! += 1;
  }
  const chiSquare = counts.reduce(
    (sum, count, bin) => sum + (count - expected[bin]!) ** 2 / expected[bin]!,
    0,
  );
  assert.ok(chiSquare > 22 && chiSquare < 85, `chi-square ${chiSquare} of 49 degrees of freedom`);
});

test("filtered draws have the frequencies of the kept tokens", () => {
  const row = Float32Array.from([0.5, 0.2, 0.15, 0.1, 0.05], Math.log);
  const chooser = new TokenChooser(5);
  const counts = [0, 0, 0, 0, 0];
  for (let seed = 0; seed < 8500; seed++) {
    counts[chooser.choose(row, new SequenceState(sequenceOf({ topP: 0.8 }, { seed })))!]! += 1;
  }
  assert.deepEqual(counts.slice(3), [0, 0]);
  const chiSquare = [5000, 2000, 1500].reduce(
    (sum, expected, id) => sum + (counts[id]! - expected) ** 2 / expected,
    0,
  );
  assert.ok(chiSquare < 13.8, `chi-square ${chiSquare} of 2 degrees of freedom`);
});

test("the same uniform number gives the same token through filters that keep everything", () => {
  const row = normalRow(3000, 9);
  for (let seed = 0; seed < 200; seed++) {
    const plain = choose(row, sequenceOf({}, { seed }));
    assert.equal(choose(row, sequenceOf({ topK: 3000 }, { seed })), plain);
    assert.equal(choose(row, sequenceOf({ minP: 1e-300 }, { seed })), plain);
  }
});

test("a temperature below 1e-5 is greedy and needs no generator", () => {
  const row = Float32Array.of(1, 3, 3, 2);
  for (const temperature of [0, 1e-6, 9.9e-6]) {
    assert.equal(choose(row, sequenceOf({ temperature, topK: 1, typicalP: 0.01 })), 1);
  }
  assert.deepEqual(reachable([1, 3, 3, 2], { temperature: 1e-5 }), [1, 2]);
});

test("end tokens are forbidden before minTokens and allowed from there", () => {
  const end = { endTokenIds: Int32Array.of(1) };
  assert.deepEqual(reachable([0, 9, 0], { minTokens: 2 }, { ...end, outputIds: Int32Array.of(0) }), [0, 2]);
  assert.ok(reachable([0, 9, 0], { minTokens: 2 }, { ...end, outputIds: Int32Array.of(0, 2) }).includes(1));
  // Forbidden stays forbidden: neither a bias nor a penalty brings it back.
  const fields = { minTokens: 1, logitBias: new Map([[1, 100]]), repetitionPenalty: 0.1 };
  assert.deepEqual(reachable([0, 9, 0], fields, { ...end, promptIds: Int32Array.of(1) }), [0, 2]);
});

test("a bias comes before the penalties, which see its sign", () => {
  const fields = { temperature: 0, repetitionPenalty: 2, logitBias: new Map([[0, 3]]) };
  const prompt = { promptIds: Int32Array.of(0) };
  assert.equal(choose(Float32Array.of(-2, 0.25), sequenceOf(fields, prompt)), 0); // 0.5 > 0.25; else -4 + 3 = -1
  assert.equal(choose(Float32Array.of(2, 3), sequenceOf(fields, prompt)), 1); // 2.5 < 3; else 1 + 3 = 4
});

test("temperature comes before min-p, and min-p before top-p", () => {
  const logits = [0.6, 0.3, 0.1].map(Math.log);
  // At temperature 0.5 the ratios are squared: 1, 0.25, 0.028.
  assert.deepEqual(reachable(logits, { minP: 0.1 }), [0, 1, 2]);
  assert.deepEqual(reachable(logits, { minP: 0.1, temperature: 0.5 }), [0, 1]);
  // Without the third token the first has 2/3 of what is left.
  assert.deepEqual(reachable(logits, { topP: 0.63 }), [0, 1]);
  assert.deepEqual(reachable(logits, { topP: 0.63, minP: 0.2 }), [0]);
});

test("top-p takes its share of what top-k has left", () => {
  const logits = [0.4, 0.3, 0.2, 0.1].map(Math.log);
  assert.deepEqual(reachable(logits, { topP: 0.5 }), [0, 1]);
  assert.deepEqual(reachable(logits, { topP: 0.5, topK: 2 }), [0]);
});

test("top-k keeps exactly k, of equal tokens the lowest ids", () => {
  assert.deepEqual(reachable([1, 2, 1, 1, 1], { topK: 3 }), [0, 1, 2]);
});

test("a row that nothing can be drawn from gives null, never token 0", () => {
  assert.equal(choose(Float32Array.of(1, Number.NaN, 2), sequenceOf({})), null);
  assert.equal(choose(Float32Array.of(1, Number.POSITIVE_INFINITY), sequenceOf({ temperature: 0 })), null);
  assert.equal(choose(new Float32Array(3).fill(Number.NEGATIVE_INFINITY), sequenceOf({ topP: 0.5 })), null);
  const all = sequenceOf({ minTokens: 1 }, { endTokenIds: Int32Array.of(0, 1) });
  assert.equal(choose(Float32Array.of(1, 2), all), null);
});

test("extreme logits and temperatures still draw a token that has a probability", () => {
  const rows = [
    [3e38, -3e38, 0],
    [-3e38, -3e38, Number.NEGATIVE_INFINITY],
    [1e-45, 0, -1e-45],
    [0, -2000, -3000],
  ];
  for (const logits of rows) {
    for (const fields of [
      {},
      { topP: 0.9 },
      { typicalP: 0.9 },
      { topK: 2 },
      { minP: 1 },
      { topP: 1e-12, minP: 1e-12 },
    ]) {
      for (const temperature of [1e-5, 1, 2]) {
        for (const token of reachable(logits, { ...fields, temperature })) {
          assert.ok(token < 2 || logits[2] !== Number.NEGATIVE_INFINITY);
          assert.ok(token === 0 || logits[0]! - logits[token]! < 1000);
        }
      }
    }
  }
});

test("each position of a sequence uses its own random number", () => {
  const row = new Float32Array(1000);
  for (let position = 0; position < 20; position++) {
    const sequence = sequenceOf({}, { seed: 3, outputIds: new Int32Array(position) });
    assert.equal(choose(row, sequence), Math.floor(uniformAt(3, position) * 1000));
  }
});
