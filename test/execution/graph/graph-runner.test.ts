import assert from "node:assert/strict";
import { test } from "node:test";
import { loadSession, tensor } from "../../../src/execution/onnx-runtime.ts";
import { normalRow } from "../../sampling/reference.ts";
import { PAGE_SIZE, type TestSequence } from "../stage.ts";
import { type GraphCase, type GraphStage, graphStage } from "./graph-stage.ts";
import { TOY, toyDecoder } from "./toy-decoder.ts";

/** Prompts of these lengths and the tokens drawn behind them. */
const SEQUENCES = [5, 21, 33, 1].map((numPromptTokens, index) => ({
  numPromptTokens,
  ids: Array.from(
    normalRow(numPromptTokens + 18, index, 100),
    (value) => Math.floor(Math.abs(value)) % TOY.vocabSize,
  ),
}));

/** What the decoder without keys and values gives for every token of each sequence. */
const REFERENCE = (() => {
  const session = loadSession(toyDecoder({ form: "none" }), {
    name: "reference",
    threads: 1,
    keepArena: false,
  });
  const rows = SEQUENCES.map(({ ids }) => {
    const feeds = { input_ids: tensor("int64", BigInt64Array.from(ids, BigInt), [1, ids.length]) };
    const { data } = session.run(feeds, ["logits"]).logits!;
    return ids.map((_, token) =>
      (data as Float32Array).slice(token * TOY.vocabSize, (token + 1) * TOY.vocabSize),
    );
  });
  session.release();
  return rows;
})();

interface Play {
  /** Tokens of a prompt that a step computes at most. */
  readonly chunk?: number;
  readonly tolerance?: number;
  /** Prompts' own logits are wanted, every one. */
  readonly scored?: boolean;
}

/** All sequences side by side, each step's logits held against the reference. */
function play(
  { stage }: GraphStage,
  { chunk = Number.POSITIVE_INFINITY, tolerance = 1e-5, scored = false }: Play = {},
) {
  const sequences = SEQUENCES.map(({ ids, numPromptTokens }) => stage.begin(ids, numPromptTokens));
  const isDone = ({ ids, numComputed }: TestSequence) => numComputed === ids.length;
  for (let step = 0; !sequences.every(isDone); step++) {
    // The last one joins late, so that decodes and prefills share steps.
    const active = sequences.filter((sequence, index) => !isDone(sequence) && (index < 3 || step > 3));
    const moves = active.map((sequence) => {
      const left = sequence.numPromptTokens - sequence.numComputed;
      const logits = scored && left > 0 ? ("all" as const) : ("last" as const);
      return { sequence, numTokens: left > 0 ? Math.min(left, chunk) : 1, logits };
    });
    const rows = stage.step(moves);
    for (const { sequence, numTokens, logits } of moves) {
      const expected = REFERENCE[sequences.indexOf(sequence)]!;
      for (let back = logits === "all" ? numTokens : 1; back > 0; back--) {
        const row = rows.shift()!;
        const error = Math.max(
          ...row.map((logit, id) => Math.abs(logit - expected[sequence.numComputed - back]![id]!)),
        );
        assert.ok(error < tolerance, `token ${sequence.numComputed - back} is off by ${error}`);
      }
    }
  }
}

const one = (bytes: Uint8Array): GraphCase["files"] => ({ "model.onnx": bytes });
const pair = (prefill: Uint8Array, decode: Uint8Array) => ({
  files: { "prefill.onnx": prefill, "decode.onnx": decode },
});

const concat = one(toyDecoder({ form: "concat" }));
const gqa = one(toyDecoder({ form: "gqa" }));
const fixedPair = pair(
  toyDecoder({ form: "prefill", batch: 2, tokens: 64, past: 64, lastLogitsOnly: false, ints: "int32" }),
  toyDecoder({ form: "fixed", batch: 4, tokens: 1, past: 64, ints: "int32" }),
);
const bucketed = {
  seqLengths: [8, 32, 64],
  prefillBatchSizes: [1, 2],
  decodeBatchSizes: [1, 2, 8],
  actLengths: [16, 32, 64],
};

const CASES: readonly (readonly [what: string, given: GraphCase, plays: readonly Play[]])[] = [
  ["one graph as optimum exports it", { files: concat }, [{}, { chunk: 7 }, { scored: true }]],
  ["the same in buckets of every kind", { files: concat, graphs: bucketed }, [{}, { chunk: 7 }]],
  [
    "a graph that takes its past to be exact",
    { files: one(toyDecoder({ form: "concat", withoutMask: true })) },
    [{}, { chunk: 7 }],
  ],
  [
    "GroupQueryAttention as onnxruntime-genai exports it",
    { files: gqa },
    [{}, { chunk: 7 }, { scored: true }],
  ],
  [
    "the same in batches and buckets",
    { files: gqa, graphs: { ...bucketed, seqLengths: [] } },
    [{}, { chunk: 7 }],
  ],
  [
    "logits of the last token alone",
    { files: one(toyDecoder({ form: "gqa", lastLogitsOnly: true })) },
    [{}, { chunk: 7 }, { scored: true, chunk: 5 }],
  ],
  [
    "half precision",
    { files: one(toyDecoder({ form: "concat", floats: "float16" })) },
    [{ tolerance: 2e-2 }, { chunk: 7, tolerance: 2e-2 }],
  ],
  [
    "a pair whose prefill begins anew",
    pair(toyDecoder({ form: "prefill" }), toyDecoder({ form: "rows", tokens: 1 })),
    [{}, { scored: true }, { chunk: 3 }],
  ],
  [
    "a pair that gives new rows alone, over active lengths",
    {
      ...pair(toyDecoder({ form: "prefill" }), toyDecoder({ form: "rows", tokens: 1 })),
      graphs: { seqLengths: [8, 64], decodeBatchSizes: [1, 4], actLengths: [8, 40, 64] },
    },
    [{}],
  ],
  ["a pair of fixed shapes", { ...fixedPair, config: {} }, [{}]],
  [
    "a decoder without keys and values",
    { files: one(toyDecoder({ form: "none" })) },
    [{}, { chunk: 7 }, { scored: true }],
  ],
  [
    "the same with logits of the last token alone",
    {
      files: one(toyDecoder({ form: "none", lastLogitsOnly: true })),
      graphs: { prefillBatchSizes: [1] },
    },
    [{}, { chunk: 7, scored: true }],
  ],
];

for (const [what, given, plays] of CASES) {
  for (const how of plays) {
    test(`${what}: ${JSON.stringify(how)} gives the logits of the decoder`, async () => {
      using loaded = await graphStage(given);
      play(loaded, how);
      assert.deepEqual(loaded.warnings, []);
    });
  }
}

test("keys and values in half precision pages move logits little", async () => {
  using loaded = await graphStage({ files: concat }, "f16");
  play(loaded, { tolerance: 1e-2 });
});

test("pages are copied ahead of a step, as for any model", async () => {
  using loaded = await graphStage({ files: concat });
  const { stage } = loaded;
  const { ids } = SEQUENCES[1]!;
  const first = stage.begin(ids, 21);
  stage.step([{ sequence: first, numTokens: 20 }]);
  const twin = { ...first, blockTable: [first.blockTable[0]!, stage.takePage()], numComputed: 20 };
  const batch = stage.batchOf([{ sequence: twin, numTokens: 1 }]);
  const [row] = stage.execute({
    ...batch,
    pageCopies: Int32Array.of(first.blockTable[1]!, twin.blockTable[1]!),
  });
  assert.ok(row!.every((logit, id) => Math.abs(logit - REFERENCE[1]![20]![id]!) < 1e-5));
  assert.equal(PAGE_SIZE, 16);
});
