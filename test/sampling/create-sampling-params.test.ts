import assert from "node:assert/strict";
import { test } from "node:test";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import {
  type CreateSamplingParamsOptions,
  createSamplingParams,
  type SamplingFields,
} from "../../src/sampling/create-sampling-params.ts";

const MAX = Number.MAX_SAFE_INTEGER;

function snakeCase(field: string): string {
  return field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function refusalOf(
  fields: Readonly<Record<string, unknown>>,
  options: CreateSamplingParamsOptions = {},
): TroupeError {
  try {
    createSamplingParams(fields as SamplingFields, { nameField: snakeCase, ...options });
  } catch (error) {
    assert.ok(error instanceof TroupeError);
    assert.equal(error.code, "invalid_request");
    return error;
  }
  assert.fail(`accepted: ${JSON.stringify(fields)}`);
}

test("fills in the defaults", () => {
  assert.deepEqual(createSamplingParams({}), {
    temperature: 1,
    topK: 0,
    topP: 1,
    minP: 0,
    typicalP: 1,
    repetitionPenalty: 1,
    presencePenalty: 0,
    frequencyPenalty: 0,
    logitBias: new Map(),
    seed: null,
    n: 1,
    bestOf: 1,
    stop: [],
    stopTokenIds: [],
    includeStopStrInOutput: false,
    ignoreEos: false,
    minTokens: 0,
    maxTokens: null,
    logprobs: null,
    promptLogprobs: null,
    skipSpecialTokens: true,
    grammar: null,
  });
});

const RANGES: readonly [field: string, accepted: readonly unknown[], refused: readonly unknown[]][] = [
  ["temperature", [0, 1e-6, 0.5, 2], [-1e-9, 2.0001]],
  ["topK", [0, 1, 1_000_000, MAX], [-1, 0.5, MAX + 1]],
  ["topP", [Number.MIN_VALUE, 0.5, 1], [0, -0.1, 1.0000001]],
  ["minP", [0, 0.5, 1], [-0.0001, 1.0001]],
  ["typicalP", [Number.MIN_VALUE, 1], [0, 1.0001]],
  ["repetitionPenalty", [Number.MIN_VALUE, 1, 2], [0, -1, 2.0001]],
  ["presencePenalty", [-2, 0, 2], [-2.0001, 2.0001]],
  ["frequencyPenalty", [-2, 0, 2], [-2.0001, 2.0001]],
  ["seed", [null, 0, -1, MAX, -MAX], [MAX + 1, -MAX - 1, 1.5]],
  ["n", [1, 128], [0, 129, 1.5]],
  ["bestOf", [1, 128], [0, 129, 1.5]],
  ["minTokens", [0, 1000], [-1, 0.5]],
  ["maxTokens", [null, 1, 1_000_000], [0, -1, 1.5]],
  ["logprobs", [null, 0, 20], [-1, 21, 1.5]],
  ["promptLogprobs", [null, 0, 20], [-1, 21, 1.5]],
];

for (const [field, accepted, refused] of RANGES) {
  test(`${field}: takes its limits, refuses what is just beyond, and never changes a value`, () => {
    for (const value of accepted) {
      const params = createSamplingParams({ [field]: value });
      assert.equal(params[field as keyof typeof params], value);
    }
    const notNumbers = ["1", true, [], {}, () => 1, Symbol("x"), 1n];
    const notFinite = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    const nulls = accepted.includes(null) ? [] : [null];
    for (const value of [...refused, ...notNumbers, ...notFinite, ...nulls]) {
      const error = refusalOf({ [field]: value });
      assert.equal(error.details.param, snakeCase(field));
      assert.ok(error.message.startsWith(`"${snakeCase(field)}" is `), error.message);
      assert.ok(error.message.includes("it must be "), error.message);
      structuredClone(error.details);
    }
  });
}

test("switches are true or false and nothing else", () => {
  for (const field of ["ignoreEos", "includeStopStrInOutput", "skipSpecialTokens"]) {
    for (const value of [true, false]) createSamplingParams({ [field]: value });
    for (const value of [0, 1, "true", null, {}]) {
      assert.equal(refusalOf({ [field]: value }).details.param, snakeCase(field));
    }
  }
});

test("a refusal tells value and limits", () => {
  const error = refusalOf({ topP: 1.5 });
  assert.equal(error.message, '"top_p" is 1.5; it must be a number above 0 and at most 1.');
  assert.deepEqual(error.details, { param: "top_p", value: 1.5, min: 0, max: 1 });
  assert.equal(refusalOf({ n: 0 }).message, '"n" is 0; it must be an integer of at least 1 and at most 128.');
  assert.match(refusalOf({ maxTokens: 0 }).message, /an integer of at least 1, or null\.$/);
  assert.match(refusalOf({ minP: "0.5" }).message, /^"min_p" is "0.5"; /);
});

test("stop strings: up to the limit, none empty", () => {
  const letters = (count: number) => Array.from({ length: count }, (_, index) => String(index));
  assert.equal(createSamplingParams({ stop: letters(16) }).stop.length, 16);
  assert.equal(createSamplingParams({ stop: letters(4) }, { maxStopStrings: 4 }).stop.length, 4);
  assert.equal(refusalOf({ stop: letters(17) }).details.max, 16);
  assert.equal(refusalOf({ stop: letters(5) }, { maxStopStrings: 4 }).details.max, 4);
  for (const stop of [[""], ["a", ""], ["a", 1], [null], "a", null]) {
    assert.equal(refusalOf({ stop }).details.param, "stop");
  }
});

test("token ids of stops and biases lie in the vocabulary when it is known", () => {
  const options = { vocabSize: 100 };
  const params = createSamplingParams(
    {
      stopTokenIds: [0, 99],
      logitBias: new Map([
        [99, -100],
        [0, 100],
      ]),
    },
    options,
  );
  assert.deepEqual(params.stopTokenIds, [0, 99]);
  assert.deepEqual(
    [...params.logitBias],
    [
      [99, -100],
      [0, 100],
    ],
  );
  createSamplingParams({ stopTokenIds: [1_000_000], logitBias: new Map([[1_000_000, 1]]) });
  for (const id of [-1, 100, 1.5, Number.NaN]) {
    assert.equal(refusalOf({ stopTokenIds: [id] }, options).details.param, "stop_token_ids");
    assert.equal(refusalOf({ logitBias: new Map([[id, 1]]) }, options).details.param, "logit_bias");
  }
  for (const bias of [-100.1, 100.1, Number.NaN, "1", null]) {
    assert.equal(refusalOf({ logitBias: new Map([[1, bias]]) }, options).details.param, "logit_bias");
  }
  assert.equal(refusalOf({ logitBias: { 1: 2 } }).details.param, "logit_bias");
  assert.equal(refusalOf({ stopTokenIds: 5 }).details.param, "stop_token_ids");
  assert.equal(refusalOf({ stopTokenIds: new Array(129).fill(1) }).details.max, 128);
});

test("bestOf follows n and may not be below it", () => {
  assert.equal(createSamplingParams({ n: 3 }).bestOf, 3);
  assert.equal(createSamplingParams({ n: 2, bestOf: 4 }).bestOf, 4);
  const error = refusalOf({ n: 3, bestOf: 2 });
  assert.equal(error.details.param, "best_of");
  assert.match(error.message, /"best_of" is 2; it must be at least n, which is 3/);
});

test("greedy sampling may give an answer n times, but has nothing to choose the best of", () => {
  createSamplingParams({ temperature: 0, n: 3 });
  createSamplingParams({ temperature: 1e-5, bestOf: 2 });
  assert.equal(refusalOf({ temperature: 9e-6, bestOf: 2 }).details.param, "best_of");
});

test("minTokens may not exceed maxTokens", () => {
  createSamplingParams({ minTokens: 5, maxTokens: 5 });
  createSamplingParams({ minTokens: 5 });
  assert.equal(refusalOf({ minTokens: 6, maxTokens: 5 }).details.param, "min_tokens");
});

test("defaults apply to fields left out or undefined, and are checked like them", () => {
  const defaults = { temperature: 0.6, topP: 0.9, stop: ["x"] };
  const params = createSamplingParams({ topP: 1, temperature: undefined }, { defaults });
  assert.equal(params.temperature, 0.6);
  assert.equal(params.topP, 1);
  assert.deepEqual(params.stop, ["x"]);
  assert.equal(refusalOf({}, { defaults: { topP: 7 } }).details.param, "top_p");
});

test("an unknown field is refused with the nearest known one", () => {
  const error = refusalOf({ temprature: 0.5 });
  assert.equal(error.details.param, "temprature");
  assert.match(error.message, /did you mean "temperature"\?/);
});

test("the result is frozen and shares nothing with its input", () => {
  const stop = ["a"];
  const stopTokenIds = [1];
  const logitBias = new Map([[1, 1]]);
  const params = createSamplingParams({ stop, stopTokenIds, logitBias });
  stop.push("b");
  stopTokenIds.push(2);
  logitBias.set(2, 2);
  assert.deepEqual([params.stop, params.stopTokenIds, [...params.logitBias]], [["a"], [1], [[1, 1]]]);
  assert.ok([params, params.stop, params.stopTokenIds].every(Object.isFrozen));
  assert.notEqual(createSamplingParams({}).logitBias, createSamplingParams({}).logitBias);
  assert.deepEqual(structuredClone(params), params);
});
