/**
 * Random lives of a scheduler over the reference model. The executor checks every step (budgets, tables, shared writes,
 * the keys and values behind each draw); here: everything ends, nothing leaks, and every answer is the one that the
 * model gives without an engine.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { STEP_PHASES } from "../../src/config/config.ts";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import type { SamplingParams } from "../../src/sampling/sampling-params.ts";
import { type BatchingOptions, DEFAULT_BATCHING } from "../../src/scheduling/batching-options.ts";
import type { EngineRequest, StepOutput } from "../../src/scheduling/step-plan.ts";
import { checkAllFree, EngineTrace, type TraceOptions } from "./engine-trace.ts";
import { referenceAnswer, scoreOf, stateAfter } from "./reference-model.ts";
import { ids, request } from "./requests.ts";

const VOCABULARY = 50;
const EOS = [0];

const limit = (max: number) => fc.option(fc.integer({ min: 1, max }), { nil: null });

const batchingArbitrary: fc.Arbitrary<BatchingOptions> = fc.record({
  phases: fc.constantFrom(...STEP_PHASES),
  maxPrefillSeqs: limit(4),
  maxPrefillTokens: limit(9),
  prefillDelayMs: fc.constantFrom(0, 0, 5),
  prefillCostMs: fc.constantFrom(0, 150),
  decodeCostMs: fc.constantFrom(0, 50),
  maxPreemptions: fc.option(fc.nat(3), { nil: null }),
});

const anyOptions = fc.record({
  numPages: fc.integer({ min: 3, max: 14 }),
  pageSize: fc.integer({ min: 1, max: 4 }),
  maxNumSeqs: fc.integer({ min: 1, max: 5 }),
  maxNumBatchedTokens: fc.integer({ min: 1, max: 12 }),
  maxLogitRows: fc.integer({ min: 1, max: 8 }),
  maxModelLen: fc.integer({ min: 4, max: 40 }),
  maxQueuedRequests: fc.integer({ min: 0, max: 12 }),
  prefixCache: fc.boolean(),
  policy: fc.constantFrom("continuous" as const, "static" as const),
  batching: fc.oneof(fc.constant(DEFAULT_BATCHING), batchingArbitrary),
  wholePrompts: fc.constantFrom(false, false, true),
  maxDraftTokens: fc.constantFrom(0, 1, 3, 8),
  vocabSize: fc.constant(VOCABULARY),
  numDrawnIds: fc.constantFrom(VOCABULARY, 4, 2),
  eosTokenIds: fc.constant(EOS),
});

/** Pages of prompts that are computed whole cannot be shared between requests. */
const optionsArbitrary: fc.Arbitrary<Partial<TraceOptions>> = anyOptions.map((options) => ({
  ...options,
  prefixCache: options.prefixCache && !options.wholePrompts,
}));

/** Few distinct prompts, so that prefixes are shared often. */
const promptArbitrary = fc
  .tuple(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 1, max: 14 }), fc.integer({ min: 0, max: 3 }))
  .map(([kind, length, tail]) => [...ids(1 + kind * 15, length), ...ids(46, tail)]);

const paramsArbitrary: fc.Arbitrary<Partial<SamplingParams>> = fc.record({
  bestOf: fc.constantFrom(1, 1, 1, 2, 3),
  maxTokens: fc.option(fc.integer({ min: 1, max: 16 }), { nil: null }),
  promptLogprobs: fc.constantFrom(null, null, null, 0),
  stopTokenIds: fc.constantFrom<number[]>([], [7]),
  ignoreEos: fc.boolean(),
});

type Command =
  | { readonly kind: "add"; readonly prompt: readonly number[]; readonly params: Partial<SamplingParams> }
  | { readonly kind: "begin" | "end" }
  | { readonly kind: "cancel"; readonly which: number; readonly index: number | null }
  | { readonly kind: "pause" | "resume"; readonly which: number };

const which = fc.nat(20);
const commandArbitrary: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("add" as const),
      prompt: promptArbitrary,
      params: paramsArbitrary,
    }),
  },
  { weight: 12, arbitrary: fc.record({ kind: fc.constantFrom("begin" as const, "end" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("cancel" as const), which, index: fc.option(fc.nat(2)) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom("pause" as const, "resume" as const), which }),
  },
);

/** Plays commands and remembers what was asked for. */
class Life {
  readonly engine: EngineTrace;
  readonly requests: EngineRequest[] = [];
  readonly cancelled = new Set<string>();
  #isInFlight = false;

  constructor(options: Partial<TraceOptions>) {
    this.engine = new EngineTrace(options);
  }

  play(command: Command): void {
    const { scheduler } = this.engine;
    this.engine.nowMs++;
    if (command.kind === "add") this.#add(command.prompt, command.params);
    else if (command.kind === "begin") this.#isInFlight ||= this.engine.begin();
    else if (command.kind === "end") this.settle();
    else if ("which" in command) {
      const target = this.requests.at(-1 - (command.which % 20));
      if (target === undefined) return;
      if (command.kind === "cancel") this.#cancel(target, command.index);
      else scheduler[command.kind](target.requestId);
    }
    assert.ok(scheduler.status().numFreePages >= 0);
  }

  settle(): void {
    if (this.#isInFlight) this.engine.end();
    this.#isInFlight = false;
  }

  /** Everything that is left runs to its end. */
  finish(): void {
    this.settle();
    for (const { requestId } of this.requests) this.engine.scheduler.resume(requestId);
    this.engine.drain(5000);
  }

  #add(prompt: readonly number[], params: Partial<SamplingParams>): void {
    const seed = 7919 * (this.requests.length + 1);
    const added = request(`r${this.requests.length}`, prompt, params, { seed });
    const before = JSON.stringify(this.engine.scheduler.status());
    try {
      this.engine.submit(added);
      this.requests.push(added);
    } catch (error) {
      assert.ok(error instanceof TroupeError, String(error));
      assert.match(error.code, /^(queue_full|prompt_too_long|invalid_request)$/);
      assert.equal(JSON.stringify(this.engine.scheduler.status()), before);
    }
  }

  #cancel({ requestId, params }: EngineRequest, index: number | null): void {
    const isEffective = this.engine.scheduler.cancel(requestId, index ?? undefined);
    if (!isEffective) return;
    const indices = index === null ? ids(0, params.bestOf) : [index];
    for (const each of indices)
      if (!isFinished(this.engine, requestId, each)) this.cancelled.add(`${requestId}.${each}`);
  }
}

function isFinished(engine: EngineTrace, requestId: string, index: number): boolean {
  return engine.outputsOf(requestId, index).some((output) => output.finishReason !== null);
}

function maxTokensOf({ maxModelLen, numPages, pageSize }: TraceOptions): number {
  return Math.min(maxModelLen, numPages * pageSize + 1);
}

function checkAnswer(engine: EngineTrace, asked: EngineRequest, index: number, isCancelled: boolean): void {
  const { requestId } = asked;
  const { numDrawnIds: vocabSize = VOCABULARY } = engine.options;
  const limits = { vocabSize, eosTokenIds: EOS, maxTokens: maxTokensOf(engine.options) };
  const expected = referenceAnswer(asked, index, limits);
  const actual = engine.tokensOf(requestId, index);
  if (isCancelled) {
    assert.deepEqual(actual, expected.tokenIds.slice(0, actual.length));
    return;
  }
  assert.deepEqual(actual, expected.tokenIds, `answer ${requestId}.${index}`);
  const reasons = engine.outputsOf(requestId, index).map((output) => output.finishReason);
  assert.deepEqual(
    reasons.filter((reason) => reason !== null),
    [expected.reason],
  );
  assert.equal(reasons.at(-1), expected.reason);
}

function checkScores(outputs: readonly StepOutput[], asked: EngineRequest, isCancelled: boolean): void {
  const found = outputs.flatMap(({ prompts }) =>
    prompts.filter((each) => each.requestId === asked.requestId),
  );
  if (asked.params.promptLogprobs === null) assert.equal(found.length, 0);
  else if (!isCancelled || found.length > 0) {
    const prompt = [...asked.promptIds];
    const expected = prompt.map((id, at) => (at === 0 ? null : scoreOf(stateAfter(prompt.slice(0, at)), id)));
    assert.deepEqual(
      found.map(({ logprobs }) => logprobs.map((entry) => entry?.logprob ?? null)),
      [expected],
    );
  }
}

function checkNothingLeaks(engine: EngineTrace): void {
  checkAllFree(engine);
  // the sampler is told of the last ones with the next step
  engine.add("last", [1], { maxTokens: 1 });
  engine.drain();
  assert.equal(engine.executor.sequences.size, 1);
}

test("every answer is right, whatever happens around it, and nothing leaks", () => {
  const property = fc.property(
    optionsArbitrary,
    fc.array(commandArbitrary, { maxLength: 150, size: "max" }),
    (options, commands) => {
      const life = new Life(options);
      for (const command of commands) life.play(command);
      life.finish();
      for (const asked of life.requests) {
        const isCancelled = (index: number) => life.cancelled.has(`${asked.requestId}.${index}`);
        const indices = ids(0, asked.params.bestOf);
        for (const index of indices) checkAnswer(life.engine, asked, index, isCancelled(index));
        checkScores(life.engine.outputs, asked, indices.every(isCancelled));
      }
      checkNothingLeaks(life.engine);
    },
  );
  fc.assert(property, { numRuns: 1500 });
});

test("the oldest request moves on in every step, and requests start in the order they came", () => {
  const lengths = fc.array(fc.tuple(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 20 })), {
    maxLength: 8,
  });
  const property = fc.property(optionsArbitrary, lengths, (options, requests) => {
    const engine = new EngineTrace({
      ...options,
      batching: { ...options.batching!, phases: "mixed", prefillDelayMs: 0 },
      maxModelLen: 40,
      maxQueuedRequests: 99,
      vocabSize: 2 ** 30,
      numDrawnIds: 2 ** 30,
    });
    const alive: string[] = [];
    for (const [place, [length, maxTokens]] of requests.entries()) {
      if (length + maxTokens > maxTokensOf(engine.options)) continue;
      alive.push(`r${place}`);
      engine.add(`r${place}`, ids(100 + 30 * place, length), { maxTokens, ignoreEos: true });
    }
    const arrived = [...alive];
    while (alive.length > 0) {
      assert.ok(engine.begin());
      const line = engine.takeLines()[0]!;
      assert.match(line, new RegExp(`: (.*\\| )?${alive[0]} `), `${alive[0]} is left out: ${line}`);
      for (const { requestId, finishReason } of engine.end().sequences)
        if (finishReason !== null) alive.splice(alive.indexOf(requestId), 1);
    }
    const started = engine.outputs.flatMap((output) => output.started.map((each) => each.requestId).sort());
    if (engine.options.policy === "continuous") assert.deepEqual(started, arrived);
  });
  fc.assert(property, { numRuns: 500 });
});

test("after a restart, resumed requests continue as if nothing had happened", () => {
  const asked = fc.array(fc.tuple(promptArbitrary, paramsArbitrary), { minLength: 1, maxLength: 5 });
  const property = fc.property(optionsArbitrary, asked, fc.nat(12), (options, requests, numSteps) => {
    const first = new Life({ ...options, maxQueuedRequests: 99 });
    for (const [prompt, params] of requests) first.play({ kind: "add", prompt, params });
    for (let step = 0; step < numSteps; step++) first.engine.step();

    const second = new EngineTrace({ ...options, maxQueuedRequests: 0 });
    for (const each of first.requests) {
      const { requestId, params } = each;
      const indices = ids(0, params.bestOf);
      if (indices.every((index) => isFinished(first.engine, requestId, index))) continue;
      const resumed = indices.map((index) => Int32Array.from(first.engine.tokensOf(requestId, index)));
      second.scheduler.add({ ...each, resumed }, { isResubmission: true });
    }
    second.drain(5000);
    first.engine.outputs.push(...second.outputs);
    for (const each of first.requests)
      for (const index of ids(0, each.params.bestOf)) checkAnswer(first.engine, each, index, false);
    checkNothingLeaks(second);
  });
  fc.assert(property, { numRuns: 500 });
});
