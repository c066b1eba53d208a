import assert from "node:assert/strict";
import { test } from "node:test";
import { NO_TOKEN } from "../../src/core/no-token.ts";
import type { SamplingFields } from "../../src/sampling/create-sampling-params.ts";
import { Sampler } from "../../src/sampling/sampler.ts";
import type { SamplerSequence, SamplingBatch } from "../../src/scheduling/step-plan.ts";
import { normalRow, referenceLogprobs, sequenceOf } from "./reference.ts";

const VOCAB = 700;

/** Parameters of every kind, to stand beside each other in a batch. */
const VARIETY: readonly SamplingFields[] = [
  { temperature: 0 },
  { temperature: 0.7 },
  { topK: 40 },
  { topP: 0.8, repetitionPenalty: 1.2 },
  { temperature: 1.5, minP: 0.02, frequencyPenalty: 0.4 },
  { typicalP: 0.9, logprobs: 3 },
  { temperature: 0, presencePenalty: 2, logprobs: 0 },
  { topK: 100, topP: 0.95, logitBias: new Map([[5, 4]]), minTokens: 3 },
];

function batchOf(fields: Partial<SamplingBatch>): SamplingBatch {
  return {
    step: 1,
    admitted: [],
    released: new Int32Array(0),
    draws: new Int32Array(0),
    drafts: new Int32Array((fields.draws?.length ?? 0) / 2).fill(NO_TOKEN),
    promptScorings: [],
    ...fields,
  };
}

function rowsOf(...rows: readonly Float32Array[]): Float32Array {
  const logits = new Float32Array(new SharedArrayBuffer(rows.length * VOCAB * 4)); // [rows, VOCAB]
  rows.forEach((row, index) => {
    logits.set(row, index * VOCAB);
  });
  return logits;
}

function sequencesOf(count: number): SamplerSequence[] {
  return Array.from({ length: count }, (_, index) =>
    sequenceOf(VARIETY[index % VARIETY.length]!, {
      sequence: 100 + index,
      seed: index * 17,
      promptIds: Int32Array.of(index, 2 * index, 3),
      endTokenIds: Int32Array.of(1),
    }),
  );
}

/** What a made-up model says after these tokens. */
function rowAfter(sequence: number, position: number): Float32Array {
  return normalRow(VOCAB, sequence * 1000 + position, 2);
}

/** The tokens of steps from..to-1 of one sequence that has a sampler to itself. */
function drawAlone(sampler: Sampler, sequence: SamplerSequence, from: number, to: number): number[] {
  const tokens: number[] = [];
  for (let position = from; position < to; position++) {
    const batch = batchOf({
      admitted: position === from ? [sequence] : [],
      draws: Int32Array.of(sequence.sequence, 0),
    });
    tokens.push(sampler.run(batch, rowsOf(rowAfter(sequence.sequence, position))).tokenIds[0]!);
  }
  return tokens;
}

test("a sequence draws the same tokens alone and among 31 others, in any order of rows and draws", () => {
  const sequences = sequencesOf(32);
  const numSteps = 6;
  const expected = sequences.map((sequence) =>
    drawAlone(new Sampler({ vocabSize: VOCAB }), sequence, 0, numSteps),
  );
  for (const stride of [1, 5, 31]) {
    const order = sequences.map((_, index) => (index * stride + 3) % 32);
    const crowd = new Sampler({ vocabSize: VOCAB });
    for (let step = 0; step < numSteps; step++) {
      const rows: Float32Array[] = [];
      const draws = new Int32Array(64);
      order.forEach((index, place) => {
        const row = (place * 7 + step) % 32;
        rows[row] = rowAfter(sequences[index]!.sequence, step);
        draws.set([sequences[index]!.sequence, row], 2 * place);
      });
      const result = crowd.run(batchOf({ admitted: step === 0 ? sequences : [], draws }), rowsOf(...rows));
      const wanted = order.map((index) => expected[index]![step]!);
      assert.deepEqual([...result.tokenIds], wanted);
    }
  }
});

test("draws behind drafts are those of one step each, up to the first draft that is wrong", () => {
  const numDraws = 6;
  for (const sequence of sequencesOf(32)) {
    const alone = drawAlone(new Sampler({ vocabSize: VOCAB }), sequence, 0, numDraws + 2);
    for (const numRight of [0, 1, 3, 5]) {
      const drafts = Int32Array.from({ length: numDraws }, (_, draw) => {
        if (draw === 0) return NO_TOKEN;
        const right = alone[draw - 1]!;
        return draw <= numRight ? right : (right + 1) % VOCAB;
      });
      const draws = Array.from(drafts, (_, row) => [sequence.sequence, row]).flat();
      const rows = Array.from({ length: numDraws }, (_, position) => rowAfter(sequence.sequence, position));
      const sampler = new Sampler({ vocabSize: VOCAB });
      const batch = batchOf({ admitted: [sequence], draws: Int32Array.from(draws), drafts });
      const { tokenIds, logprobs } = sampler.run(batch, rowsOf(...rows));
      const numMade = numRight + 1;
      assert.deepEqual([...tokenIds.subarray(0, numMade)], alone.slice(0, numMade));
      assert.ok(tokenIds.subarray(numMade).every((id) => id === NO_TOKEN));
      if (logprobs !== null)
        assert.deepEqual(
          logprobs.map((entry) => entry?.tokenId ?? NO_TOKEN),
          [...tokenIds],
        );
      const next = batchOf({ draws: Int32Array.of(sequence.sequence, 0) });
      const { tokenIds: after } = sampler.run(next, rowsOf(rowAfter(sequence.sequence, numMade)));
      assert.equal(after[0], alone[numMade], "it goes on from where its drafts have led");
    }
  }
});

test("a row that gives no token ends what is drawn behind drafts, and fails its own sequence alone", () => {
  const admitted = [1, 2].map((sequence) => sequenceOf({ temperature: 0 }, { sequence }));
  const rows = [oneHot(3), new Float32Array(VOCAB).fill(Number.NaN), oneHot(5), oneHot(6)];
  const draws = Int32Array.of(1, 0, 1, 1, 1, 2, 2, 3);
  const drafts = Int32Array.of(NO_TOKEN, 3, 4, NO_TOKEN);
  const { tokenIds, failures } = new Sampler({ vocabSize: VOCAB }).run(
    batchOf({ admitted, draws, drafts }),
    rowsOf(...rows),
  );
  assert.deepEqual([...tokenIds], [3, NO_TOKEN, NO_TOKEN, 6]);
  assert.deepEqual(
    failures.map(({ sequence }) => sequence),
    [1],
  );
});

function oneHot(tokenId: number): Float32Array {
  return new Float32Array(VOCAB).fill(9, tokenId, tokenId + 1);
}

test("a sampler rebuilt from prompt and output goes on identically", () => {
  for (const sequence of sequencesOf(8)) {
    const whole = drawAlone(new Sampler({ vocabSize: VOCAB }), sequence, 0, 12);
    for (const cut of [1, 5, 11]) {
      const resumed = { ...sequence, outputIds: Int32Array.from(whole.slice(0, cut)) };
      const rest = drawAlone(new Sampler({ vocabSize: VOCAB }), resumed, cut, 12);
      assert.deepEqual(rest, whole.slice(cut));
    }
  }
});

test("several answers draw from one row, each with its own seed", () => {
  const sampler = new Sampler({ vocabSize: VOCAB });
  const admitted = [1, 2, 3, 4].map((sequence) => sequenceOf({}, { sequence, seed: sequence }));
  const draws = Int32Array.of(1, 0, 2, 0, 3, 0, 4, 0);
  const { tokenIds, logprobs } = sampler.run(batchOf({ admitted, draws }), rowsOf(normalRow(VOCAB, 1)));
  assert.equal(logprobs, null);
  admitted.forEach((sequence, index) => {
    const [alone] = drawAloneFrom(sequence, normalRow(VOCAB, 1));
    assert.equal(tokenIds[index], alone);
  });
  assert.ok(new Set(tokenIds).size > 1);
});

function drawAloneFrom(sequence: SamplerSequence, row: Float32Array): Int32Array {
  const batch = batchOf({ admitted: [sequence], draws: Int32Array.of(sequence.sequence, 0) });
  return new Sampler({ vocabSize: VOCAB }).run(batch, rowsOf(row)).tokenIds;
}

test("log-probabilities come for the draws that ask, and are of the model's own distribution", () => {
  const sampler = new Sampler({ vocabSize: VOCAB });
  const row = normalRow(VOCAB, 2);
  const edited = { temperature: 0, logitBias: new Map([[77, 100]]), logprobs: 4 };
  const admitted = [
    sequenceOf({ temperature: 0 }, { sequence: 1 }),
    sequenceOf(edited, { sequence: 2 }),
    sequenceOf({ logprobs: 0 }, { sequence: 3 }),
    sequenceOf({ n: 1, bestOf: 2 }, { sequence: 4 }),
  ];
  const draws = Int32Array.of(1, 0, 2, 0, 3, 0, 4, 0);
  const { logprobs, tokenIds } = sampler.run(batchOf({ admitted, draws }), rowsOf(row));
  assert.equal(logprobs![0], null);
  const expected = referenceLogprobs(row, 77, 4);
  assert.equal(logprobs![1]!.tokenId, 77);
  assert.ok(Math.abs(logprobs![1]!.logprob - expected.logprob) < 1e-10);
  assert.equal(logprobs![1]!.rank, expected.rank);
  assert.deepEqual(
    logprobs![1]!.top.map(({ tokenId }) => tokenId),
    expected.top.map(({ tokenId }) => tokenId),
  );
  assert.deepEqual(logprobs![2]!.top, []);
  assert.equal(logprobs![3]!.tokenId, tokenIds[3], "best_of needs log-probabilities to rank its answers");
});

test("prompt scorings give each target's log-probability in its row", () => {
  const sampler = new Sampler({ vocabSize: VOCAB });
  const rows = [normalRow(VOCAB, 1), normalRow(VOCAB, 2), normalRow(VOCAB, 3)];
  const admitted = [sequenceOf({ promptLogprobs: 2 }, { sequence: 9 }), sequenceOf({}, { sequence: 8 })];
  const promptScorings = [
    { sequence: 9, firstRow: 1, targets: Int32Array.of(4, 600) },
    { sequence: 8, firstRow: 0, targets: new Int32Array(0) },
  ];
  const { promptLogprobs, tokenIds } = sampler.run(batchOf({ admitted, promptScorings }), rowsOf(...rows));
  assert.equal(tokenIds.length, 0);
  assert.deepEqual(
    promptLogprobs.map((positions) => positions.length),
    [2, 0],
  );
  [4, 600].forEach((target, index) => {
    const expected = referenceLogprobs(rows[index + 1]!, target, 2);
    const actual = promptLogprobs[0]![index]!;
    assert.equal(actual.rank, expected.rank);
    assert.ok(Math.abs(actual.logprob - expected.logprob) < 1e-10);
    assert.deepEqual(
      actual.top.map(({ tokenId }) => tokenId),
      expected.top.map(({ tokenId }) => tokenId),
    );
  });
});

test("a row of NaN fails its own sequence by name; the others draw what they would have drawn", () => {
  const sampler = new Sampler({ vocabSize: VOCAB });
  const [first, second, third] = sequencesOf(3) as [SamplerSequence, SamplerSequence, SamplerSequence];
  const bad = normalRow(VOCAB, 4);
  bad[123] = Number.NaN;
  const logits = rowsOf(rowAfter(first.sequence, 0), bad, rowAfter(third.sequence, 0));
  const draws = Int32Array.of(first.sequence, 0, second.sequence, 1, third.sequence, 2);
  const { tokenIds, failures } = sampler.run(
    batchOf({ step: 5, admitted: [first, second, third], draws }),
    logits,
  );
  assert.deepEqual(
    failures.map(({ sequence }) => sequence),
    [second.sequence],
  );
  assert.match(failures[0]!.reason, /the logit of token 123 is NaN/);
  const expected = [first, third].map(
    (sequence) => drawAlone(new Sampler({ vocabSize: VOCAB }), sequence, 0, 1)[0],
  );
  assert.deepEqual([tokenIds[0], tokenIds[2]], expected);
});

test("a row of NaN among prompt scorings fails its sequence once", () => {
  const sampler = new Sampler({ vocabSize: VOCAB });
  const bad = normalRow(VOCAB, 4).fill(Number.NaN);
  const batch = batchOf({
    admitted: [sequenceOf({ promptLogprobs: 0 }, { sequence: 6 })],
    promptScorings: [{ sequence: 6, firstRow: 0, targets: Int32Array.of(1, 2) }],
  });
  const { failures, promptLogprobs } = sampler.run(batch, rowsOf(bad, bad));
  assert.deepEqual(
    failures.map(({ sequence }) => sequence),
    [6],
  );
  assert.equal(promptLogprobs[0]!.length, 2);
});

test("a released sequence is forgotten, and releasing an unknown one is harmless", () => {
  const sampler = new Sampler({ vocabSize: VOCAB });
  const logits = rowsOf(normalRow(VOCAB, 1));
  const [sequence] = sequencesOf(1) as [SamplerSequence];
  const draws = Int32Array.of(sequence.sequence, 0);
  sampler.run(batchOf({ admitted: [sequence], draws }), logits);
  sampler.run(batchOf({ released: Int32Array.of(sequence.sequence, 4711) }), logits);
  assert.throws(() => sampler.run(batchOf({ draws }), logits), /sequence 100 is drawn from but not admitted/);
  const both = batchOf({ admitted: [sequence], released: Int32Array.of(sequence.sequence), draws });
  assert.throws(() => sampler.run(both, logits), { code: "internal" });
});

test("a batch that breaks a rule is refused whole", () => {
  const logits = rowsOf(normalRow(VOCAB, 1));
  const sequence = sequenceOf({}, { sequence: 1 });
  const admitted = [sequence];
  const cases: [Partial<SamplingBatch>, RegExp][] = [
    [{ draws: Int32Array.of(1, 0) }, /sequence 1 is drawn from but not admitted/],
    [{ admitted: [sequence, sequence] }, /admitted twice/],
    [{ admitted, draws: Int32Array.of(1, 0, 1, 0) }, /drawn from twice/],
    [{ admitted, draws: Int32Array.of(1, 1) }, /row 1 lies outside the 1 rows/],
    [{ admitted, draws: Int32Array.of(1, -1) }, /row -1 lies outside/],
    [{ promptScorings: [{ sequence: 3, firstRow: 0, targets: Int32Array.of(1) }] }, /sequence 3/],
    [
      { admitted, promptScorings: [{ sequence: 1, firstRow: 0, targets: Int32Array.of(1, 2) }] },
      /row 1 lies outside/,
    ],
    [
      { admitted, promptScorings: [{ sequence: 1, firstRow: 0, targets: Int32Array.of(VOCAB) }] },
      /token 700/,
    ],
  ];
  for (const [fields, message] of cases) {
    const sampler = new Sampler({ vocabSize: VOCAB });
    assert.throws(() => sampler.run(batchOf(fields), logits), { code: "internal", message });
    // Nothing of the refused batch is left behind.
    sampler.run(batchOf({ admitted, draws: Int32Array.of(1, 0) }), logits);
  }
  assert.throws(
    () => new Sampler({ vocabSize: VOCAB }).run(batchOf({}), new Float32Array(VOCAB + 1)),
    /whole rows/,
  );
});
