import assert from "node:assert/strict";
import { test } from "node:test";
import { NO_TOKEN } from "../../src/core/no-token.ts";
import { uniformAt } from "../../src/sampling/counter-random.ts";
import { createSamplingParams } from "../../src/sampling/create-sampling-params.ts";
import { compileGrammar } from "../../src/sampling/grammar/compile-grammar.ts";
import type { GrammarSpec } from "../../src/sampling/grammar/grammar-spec.ts";
import { Sampler } from "../../src/sampling/sampler.ts";
import type { SamplingParams } from "../../src/sampling/sampling-params.ts";
import type { SequenceFailure } from "../../src/scheduling/step-plan.ts";
import { tokenBytesOf, VOCABULARY } from "./grammar/writing.ts";

/** The end token is the last, special one. */
const END = VOCABULARY.length - 1;
const VOCAB_SIZE = VOCABULARY.length + 7; // logits of a model are often wider than its vocabulary
const tokens = tokenBytesOf(VOCABULARY);
const param = "test";

interface Answer {
  readonly tokenIds: number[];
  readonly text: string;
  readonly hasEnded: boolean;
  readonly failure: SequenceFailure | undefined;
}

/** One sequence on random logits, drawn by fresh samplers from `restartAt` on. */
function answer(
  params: SamplingParams,
  seed: number,
  restartAt = Number.POSITIVE_INFINITY,
  end = END,
): Answer {
  const tokenIds: number[] = [];
  let sampler = new Sampler({ vocabSize: VOCAB_SIZE, tokens });
  let isKnown = false;
  let failure: SequenceFailure | undefined;
  for (let step = 1; step <= 400 && tokenIds.at(-1) !== end; step++) {
    if (step === restartAt) {
      sampler = new Sampler({ vocabSize: VOCAB_SIZE, tokens });
      isKnown = false;
    }
    const sequence = {
      sequence: 1,
      params,
      seed,
      promptIds: Int32Array.of(3),
      outputIds: Int32Array.from(tokenIds),
      endTokenIds: end < 0 ? new Int32Array(0) : Int32Array.of(end),
    };
    const admitted = isKnown ? [] : [sequence];
    isKnown = true;
    const logits = Float32Array.from({ length: VOCAB_SIZE }, (_, id) => 8 * uniformAt(step, id));
    const batch = {
      step,
      admitted,
      released: new Int32Array(0),
      draws: Int32Array.of(1, 0),
      drafts: Int32Array.of(NO_TOKEN),
      promptScorings: [],
    };
    const result = sampler.run(batch, logits);
    failure = result.failures[0];
    if (failure !== undefined) break;
    tokenIds.push(result.tokenIds[0]!);
  }
  const hasEnded = tokenIds.at(-1) === end;
  const written = hasEnded ? tokenIds.slice(0, -1) : tokenIds;
  const text = Buffer.concat(written.map((id) => Buffer.from(VOCABULARY[id] as string))).toString();
  return { tokenIds, text, hasEnded, failure };
}

const params = (spec: GrammarSpec, fields: Partial<SamplingParams> = {}) =>
  createSamplingParams({ grammar: compileGrammar(spec), ...fields });
const schema = {
  properties: { name: { type: "string", maxLength: 20 }, ok: { type: "boolean" } },
  required: ["name", "ok"],
};

test("an answer is a match with any seed, temperature and filter", () => {
  for (const fields of [
    { temperature: 0 },
    { temperature: 2 },
    { topK: 3 },
    { topP: 0.2 },
    { minP: 0.5, typicalP: 0.3 },
    { repetitionPenalty: 2, frequencyPenalty: 2, logitBias: new Map([[65, 100]]) },
  ]) {
    for (let seed = 0; seed < 10; seed++) {
      const { text, hasEnded } = answer(params({ kind: "json_schema", param, schema }, fields), seed);
      assert.ok(hasEnded, text);
      const value = JSON.parse(text) as Record<string, unknown>;
      assert.deepEqual(Object.keys(value), ["name", "ok"]);
      assert.equal(typeof value.ok, "boolean");
    }
  }
});

test("a restart in the middle draws the same tokens", () => {
  const given = params({ kind: "json_schema", param, schema });
  const calm = answer(given, 4);
  for (let restartAt = 2; restartAt <= calm.tokenIds.length; restartAt += 3)
    assert.deepEqual(answer(given, 4, restartAt).tokenIds, calm.tokenIds);
});

test("the end is drawn only where the grammar is complete, and at once where nothing else follows", () => {
  for (let seed = 0; seed < 20; seed++)
    assert.ok(
      ["yes", "no", "nope"].includes(
        answer(params({ kind: "choice", param, choices: ["yes", "no", "nope"] }), seed).text,
      ),
    );
});

test("before min_tokens the text goes on if it can, and ends if it cannot", () => {
  const long = answer(params({ kind: "regex", param, pattern: "a+" }, { minTokens: 20 }), 1);
  assert.ok(long.tokenIds.length > 20);
  const short = answer(params({ kind: "choice", param, choices: ["a"] }, { minTokens: 20 }), 1);
  assert.equal(short.text, "a");
  assert.ok(short.hasEnded);
});

test("a stop token with a text of its own ends nothing in the middle", () => {
  const brace = "}".charCodeAt(0);
  const { text, hasEnded } = answer(
    params({ kind: "regex", param, pattern: "[}x]{5}" }),
    2,
    Number.POSITIVE_INFINITY,
    brace,
  );
  assert.ok(hasEnded);
  assert.equal(text.length, 5);
});

test("without an end token the sequence fails with a reason, and no other does", () => {
  const { failure, text } = answer(
    params({ kind: "choice", param, choices: ["a"] }),
    1,
    Number.POSITIVE_INFINITY,
    -1,
  );
  assert.equal(text, "a");
  assert.match(failure!.reason, /grammar/);
});

test("a grammar that cannot be followed fails its sequence with the reason", () => {
  const { failure } = answer(
    params({ kind: "regex", param, pattern: "(a{0,5000}){0,5000}" }, { minTokens: 300 }),
    1,
  );
  assert.match(failure!.reason, /too complex/);
  assert.equal(failure!.isRequestFault, true);
});

test("ignore_eos and a grammar exclude each other", () => {
  assert.throws(() => params({ kind: "json_object", param }, { ignoreEos: true }), {
    code: "invalid_request",
  });
});
