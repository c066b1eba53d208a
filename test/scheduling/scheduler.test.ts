import assert from "node:assert/strict";
import { test } from "node:test";
import { KvCache } from "../../src/kv/kv-cache.ts";
import { Scheduler } from "../../src/scheduling/scheduler.ts";
import { EngineTrace } from "./engine-trace.ts";
import { referenceAnswer } from "./reference-model.ts";
import { ids, request } from "./requests.ts";

test("with nothing to do there is no step", () => {
  assert.equal(new EngineTrace().scheduler.plan(), null);
});

test("a request that can never run is refused whatever the queue looks like, and changes nothing", () => {
  const engine = new EngineTrace({ numPages: 4, maxModelLen: 12, maxQueuedRequests: 0, maxNumSeqs: 1 });
  engine.add("running", [1]);
  const refused = [
    [request("running", [1]), "invalid_request", /"running" is in use/],
    [request("x", []), "invalid_request", /empty prompt/],
    [request("x", [1, 1000]), "invalid_request", /token id 1000 at position 1; ids are 0 to 999/],
    [request("x", [-1]), "invalid_request", /token id -1/],
    [request("x", [1], { bestOf: 2 }), "invalid_request", /2 answers .*at most 1/],
    [request("x", [1], {}, { resumed: [] }), "invalid_request", /resumes 0 answers, but has 1/],
    [request("x", [1], {}, { resumed: [Int32Array.of(1000)] }), "invalid_request", /token id 1000/],
    [request("x", ids(0, 12)), "prompt_too_long", /12 tokens; .* the limit is 12/],
    [request("x", ids(0, 8), { maxTokens: 5 }), "prompt_too_long", /8 tokens and max_tokens is 5/],
    [request("x", [1]), "queue_full", /retry later/],
  ] as const;
  const before = engine.scheduler.status();
  for (const [each, code, message] of refused)
    assert.throws(() => engine.scheduler.add(each), { code, message });
  assert.deepEqual(engine.scheduler.status(), before);
});

test("what fits exactly is accepted: the last token needs no place in a page", () => {
  const engine = new EngineTrace({ numPages: 2 });
  engine.add("a", ids(1, 8));
  engine.drain();
  assert.equal(engine.tokensOf("a").length, 1);
  assert.throws(() => engine.add("b", ids(1, 9)), { code: "prompt_too_long" });
  engine.add("c", ids(1, 5), { maxTokens: 4 });
  engine.drain();
  assert.deepEqual(engine.outputsOf("c").at(-1)?.finishReason, "length");
});

test("an answer longer than the limit for answers ends there, also one that asks for no length", () => {
  const engine = new EngineTrace({ maxAnswerTokens: 3 });
  engine.add("more", [1], { maxTokens: 9, minTokens: 9 });
  engine.add("any", [2]);
  engine.add("less", [3], { maxTokens: 2 });
  engine.drain();
  const lengths = ["more", "any", "less"].map((id) => engine.tokensOf(id).length);
  assert.deepEqual(lengths, [3, 3, 2]);
  assert.equal(engine.outputsOf("more").at(-1)?.finishReason, "length");
});

test("requests that free slots will take do not count as queued", () => {
  const engine = new EngineTrace({ maxNumSeqs: 3, maxQueuedRequests: 1 });
  engine.add("a", [1], { bestOf: 2 });
  engine.add("b", [2]);
  engine.add("c", [3]);
  assert.throws(() => engine.add("d", [4]), { code: "queue_full" });
  engine.step();
  assert.throws(() => engine.add("d", [4]), { code: "queue_full" });
  engine.scheduler.add(request("d", [4]), { isResubmission: true });
  engine.scheduler.cancel("c");
  engine.scheduler.cancel("d");
  engine.add("e", [5]);
});

test("a paused request that waits takes no free slot", () => {
  const engine = new EngineTrace({ maxNumSeqs: 1, maxQueuedRequests: 0 });
  engine.add("a", [1]);
  engine.scheduler.pause("a");
  engine.add("b", [2]);
  assert.throws(() => engine.add("c", [3]), { code: "queue_full" });
});

test("an answer ends at an end token, a stop token, max_tokens or the context's end", () => {
  const plain = referenceAnswer(request("a", [1, 2], { maxTokens: 12 }, { seed: 1000 }), 0, {
    vocabSize: 1000,
    eosTokenIds: [],
    maxTokens: 64,
  });
  const fourth = plain.tokenIds[3]!;
  const cases = [
    [{ eosTokenIds: [fourth] }, {}, 4, "stop", null],
    [{ eosTokenIds: [fourth] }, { stopTokenIds: [fourth] }, 4, "stop", null],
    [{ eosTokenIds: [fourth] }, { stopTokenIds: [fourth], ignoreEos: true }, 4, "stop", fourth],
    [{ eosTokenIds: [fourth] }, { ignoreEos: true, maxTokens: 9 }, 9, "length", null],
    [{}, { stopTokenIds: [fourth] }, 4, "stop", fourth],
    [{ maxModelLen: 10 }, {}, 8, "length", null],
    [{}, { maxTokens: 4, stopTokenIds: [fourth] }, 4, "stop", fourth],
  ] as const;
  for (const [options, params, length, reason, stopTokenId] of cases) {
    const engine = new EngineTrace(options);
    engine.add("a", [1, 2], {
      maxTokens: null,
      ...params,
      stopTokenIds: [...("stopTokenIds" in params ? params.stopTokenIds : [])],
    });
    engine.drain();
    assert.deepEqual(engine.tokensOf("a"), plain.tokenIds.slice(0, length));
    const last = engine.outputsOf("a").at(-1);
    assert.deepEqual([last?.finishReason, last?.stopTokenId], [reason, stopTokenId]);
  }
});

test("the sampler is told of a sequence with its first draw, and of its end with the next step", () => {
  const engine = new EngineTrace({ maxNumBatchedTokens: 4, eosTokenIds: [9, 8] });
  const asked = engine.add("a", ids(1, 6), { maxTokens: 2, stopTokenIds: [9, 7], bestOf: 2 });
  const plans = Array.from({ length: 3 }, () => {
    const plan = engine.scheduler.plan()!;
    engine.scheduler.commit(engine.executor.run(plan));
    return plan.sampling;
  });
  assert.deepEqual([...plans.map((plan) => plan.admitted.length)], [0, 2, 0]);
  const [first, second] = plans[1]!.admitted;
  assert.deepEqual(first, {
    sequence: 1,
    params: asked.params,
    seed: asked.seed,
    promptIds: asked.promptIds,
    outputIds: new Int32Array(0),
    endTokenIds: Int32Array.of(9, 8, 7),
  });
  assert.notEqual(second!.seed, asked.seed);
  assert.deepEqual([...plans[1]!.draws], [1, 0, 2, 0]);
  engine.add("b", [1], { maxTokens: 1, ignoreEos: true, stopTokenIds: [7] });
  const next = engine.scheduler.plan()!.sampling;
  assert.deepEqual([...next.released], [1, 2]);
  assert.deepEqual([...next.admitted[0]!.endTokenIds], [7]);
});

test("a resumed request goes on after its tokens, and an answer that had ended stays ended", () => {
  const limits = { vocabSize: 1000, eosTokenIds: [], maxTokens: 64 };
  const asked = request("a", ids(1, 5), { bestOf: 2, maxTokens: 6 }, { seed: 77 });
  const [one, two] = [0, 1].map((index) => referenceAnswer(asked, index, limits).tokenIds);
  const engine = new EngineTrace();
  engine.submit({ ...asked, resumed: [Int32Array.from(one!), Int32Array.from(two!.slice(0, 2))] });
  engine.drain();
  assert.deepEqual(engine.outputsOf("a", 0), []);
  assert.deepEqual(engine.tokensOf("a", 1), two!.slice(2));
  const ended = [one!, two!].map((tokens) => Int32Array.from(tokens));
  assert.throws(() => engine.submit({ ...asked, resumed: ended }), {
    code: "invalid_request",
    message: /all its answers have ended/,
  });
});

test("a sequence that nothing can be drawn from ends its request; the others go on and no page is lost", () => {
  const engine = new EngineTrace();
  const { scheduler } = engine;
  engine.add("bad", ids(1, 8), { bestOf: 2, maxTokens: 4 });
  engine.add("good", ids(100, 6), { maxTokens: 4 });
  const plan = scheduler.plan()!;
  const result = engine.executor.run(plan);
  const reason = "NaN";
  const failed = plan.sampling.admitted[1]!.sequence;
  const output = scheduler.commit({ ...result, failures: [{ sequence: failed, reason }] });
  assert.deepEqual(output.failures, [{ requestId: "bad", reason }]);
  assert.deepEqual(
    output.sequences.map(({ requestId }) => requestId),
    ["good"],
  );
  engine.drain();
  assert.equal(engine.tokensOf("good").length, 3);
  assert.equal(scheduler.status().numFreePages, scheduler.status().numPages);
  engine.add("bad", ids(1, 8), { maxTokens: 1 });
  assert.equal(scheduler.plan()!.execution.contextLens[0], 0, "its pages were offered to others");
});

test("one step at a time, and only its own result", () => {
  const engine = new EngineTrace();
  const { scheduler } = engine;
  const empty = { logprobs: null, promptLogprobs: [], failures: [] };
  assert.throws(() => scheduler.commit({ step: 1, tokenIds: new Int32Array(0), ...empty }), {
    code: "internal",
  });
  engine.add("a", [1, 2], { maxTokens: 2, promptLogprobs: 0 });
  const plan = scheduler.plan()!;
  assert.throws(() => scheduler.plan(), { code: "internal", message: /in flight/ });
  const right = engine.executor.run(plan);
  const wrong = [
    { ...right, step: 2 },
    { ...right, tokenIds: new Int32Array(0) },
    { ...right, tokenIds: Int32Array.of(1000) },
    { ...right, tokenIds: Int32Array.of(-1) },
    { ...right, logprobs: [] },
    { ...right, promptLogprobs: [] },
    { ...right, promptLogprobs: [[]] },
  ];
  for (const each of wrong) assert.throws(() => scheduler.commit(each), { code: "internal" });
  assert.equal(scheduler.commit(right).sequences.length, 1);
});

test("logprobs go out with their token", () => {
  const engine = new EngineTrace();
  engine.add("a", [1], { maxTokens: 1, logprobs: 0 });
  const result = engine.executor.run(engine.scheduler.plan()!);
  const logprob = { tokenId: result.tokenIds[0]!, logprob: -1, rank: 1, top: [] };
  const output = engine.scheduler.commit({ ...result, logprobs: [logprob] });
  assert.deepEqual(output.sequences[0]!.logprobs, [logprob]);
});

test("counters count prompts once, tokens drawn, cached tokens and preemptions", () => {
  const engine = new EngineTrace({ numPages: 5 });
  engine.add("a", ids(100, 6), { maxTokens: 8 });
  engine.add("b", ids(200, 6), { maxTokens: 8 });
  engine.drain();
  const { numRunning, numWaiting, numPages, numFreePages, ...counters } = engine.scheduler.status();
  assert.deepEqual([numRunning, numWaiting, numPages, numFreePages], [0, 0, 5, 5]);
  assert.deepEqual(counters, {
    promptTokens: 12,
    generationTokens: 16,
    prefixCacheQueries: 12,
    prefixCacheHits: 0,
    preemptions: 1,
    draftTokens: 0,
    acceptedTokens: 0,
    steps: 13,
  });
});

test("unknown requests: nothing to cancel, pause or resume", () => {
  const { scheduler } = new EngineTrace();
  assert.deepEqual(
    [scheduler.cancel("x"), scheduler.pause("x"), scheduler.resume("x")],
    [false, false, false],
  );
  scheduler.add(request("a", [1]));
  assert.deepEqual(
    [scheduler.cancel("a", 1), scheduler.cancel("a", -1), scheduler.cancel("a", 0.5)],
    [false, false, false],
  );
});

test("limits that let nothing run are refused", () => {
  const { options } = new EngineTrace();
  for (const wrong of [
    { maxNumSeqs: 0 },
    { maxLogitRows: 0 },
    { maxNumBatchedTokens: 1.5 },
    { maxQueuedRequests: -1 },
  ])
    assert.throws(() => new Scheduler({ ...options, ...wrong }, new KvCache(options)), { code: "internal" });
});
