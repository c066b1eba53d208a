/** What the scheduler does, step by step. How to read a line: engine-trace.ts. Pages hold 4 tokens. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { check, checkAllFree, EngineTrace } from "./engine-trace.ts";
import { ids } from "./requests.ts";

test("chunked prefill: decodes keep their token, prompts share what is left, oldest first", () => {
  const engine = new EngineTrace({ maxNumBatchedTokens: 8 });
  engine.add("a", ids(100, 3), { maxTokens: 6 });
  engine.step();
  engine.add("b", ids(200, 18), { maxTokens: 2 });
  engine.add("c", ids(300, 5), { maxTokens: 2 });
  engine.drain();
  check(
    engine,
    `1: a 0+3 [0] *
     2: a 3+1 [0] * | b 0+7 [1 2]
     3: a 4+1 [0 6] * | b 7+7 [1 2 3 4]
     4: a 5+1 [0 6] * | b 14+4 [1 2 3 4 5] * | c 0+3 [7]
     5: a 6+1 [0 6] * | b 18+1 [1 2 3 4 5] * | c 3+2 [7 8] *
     6: a 7+1 [0 6] * | c 5+1 [7 8] *`,
  );
  checkAllFree(engine);
});

test("prefix hit: full pages are shared, the last token is always computed", () => {
  const engine = new EngineTrace();
  engine.add("a", ids(100, 9), { maxTokens: 2 });
  engine.drain();
  engine.add("b", [...ids(100, 8), 7, 8], { maxTokens: 1 });
  engine.add("c", ids(100, 8), { maxTokens: 1 });
  engine.drain();
  check(
    engine,
    `1: a 0+9 [0 1 2] *
     2: a 9+1 [0 1 2] *
     3: b 8+2 [0 1 2] * | c 4+4 [0 3] *`,
  );
  const started = engine.outputs.flatMap((output) => output.started);
  assert.deepEqual(
    started.map(({ numCachedTokens }) => numCachedTokens),
    [0, 8, 4],
  );
  const { prefixCacheQueries, prefixCacheHits } = engine.scheduler.status();
  assert.deepEqual([prefixCacheQueries, prefixCacheHits], [27, 12]);
});

test("a prompt in the same step cannot be shared yet: it is not computed", () => {
  const engine = new EngineTrace({ maxNumBatchedTokens: 32 });
  engine.add("a", ids(100, 6), { maxTokens: 1 });
  engine.add("b", ids(100, 6), { maxTokens: 1 });
  engine.drain();
  check(engine, "1: a 0+6 [0 1] * | b 0+6 [2 3] *");
});

test("four answers: one prefill, one logits row, then copy on write; the last writer keeps the page", () => {
  const engine = new EngineTrace();
  engine.add("a", ids(100, 6), { n: 4, bestOf: 4, maxTokens: 4 });
  engine.drain();
  check(
    engine,
    `1: a 0+6 [0 1] *4
     2: copy 1>2 | copy 1>3 | copy 1>4 | a.0 6+1 [0 2] * | a.1 6+1 [0 3] * | a.2 6+1 [0 4] * | a.3 6+1 [0 1] *
     3: a.0 7+1 [0 2] * | a.1 7+1 [0 3] * | a.2 7+1 [0 4] * | a.3 7+1 [0 1] *
     4: a.0 8+1 [0 2 5] * | a.1 8+1 [0 3 6] * | a.2 8+1 [0 4 7] * | a.3 8+1 [0 1 8] *`,
  );
  checkAllFree(engine);
});

test("several answers enter together or not at all", () => {
  const engine = new EngineTrace({ maxNumSeqs: 3 });
  engine.add("a", ids(100, 2), { maxTokens: 2 });
  engine.add("b", ids(200, 2), { maxTokens: 1, n: 3, bestOf: 3 });
  engine.add("c", ids(300, 2), { maxTokens: 1 });
  engine.drain();
  check(
    engine,
    `1: a 0+2 [0] *
     2: a 2+1 [0] *
     3: b 0+2 [0] *3
     4: c 0+2 [0] *`,
  );
});

test("answer 0 is cancelled before the fork: the others get the prompt all the same", () => {
  const engine = new EngineTrace({ maxNumBatchedTokens: 4 });
  engine.add("a", ids(100, 6), { n: 3, bestOf: 3, maxTokens: 2 });
  engine.step();
  assert.ok(engine.scheduler.cancel("a", 0));
  engine.drain();
  check(
    engine,
    `1: a 0+4 [0]
     2: a 4+2 [0 1] *2
     3: copy 1>2 | a.1 6+1 [0 2] * | a.2 6+1 [0 1] *`,
  );
  assert.deepEqual(engine.outputsOf("a", 0), []);
  assert.equal(engine.tokensOf("a", 2).length, 2);
  checkAllFree(engine);
});

test("out of pages: the youngest gives way, and comes back through the prefix cache", () => {
  const engine = new EngineTrace({ numPages: 5 });
  engine.add("a", ids(100, 6), { maxTokens: 8 });
  engine.add("b", ids(200, 6), { maxTokens: 8 });
  engine.drain();
  check(
    engine,
    `1: a 0+6 [0 1] * | b 0+6 [2 3] *
     2: a 6+1 [0 1] * | b 6+1 [2 3] *
     3: a 7+1 [0 1] * | b 7+1 [2 3] *
     4: a 8+1 [0 1 4] *
     5: a 9+1 [0 1 4] *
     6: a 10+1 [0 1 4] *
     7: a 11+1 [0 1 4] *
     8: a 12+1 [0 1 4 3] *
     9: b 4+5 [2 3 4] *
     10: b 9+1 [2 3 4] *
     11: b 10+1 [2 3 4] *
     12: b 11+1 [2 3 4] *
     13: b 12+1 [2 3 4 1] *`,
  );
  assert.equal(engine.tokensOf("b").length, 8);
  assert.equal(engine.scheduler.status().preemptions, 1);
  checkAllFree(engine);
});

test("a newcomer waits until a page is left for each that runs to grow into", () => {
  const engine = new EngineTrace({ numPages: 4 });
  engine.add("a", ids(100, 6), { maxTokens: 3 });
  engine.add("b", ids(200, 6), { maxTokens: 1 });
  engine.drain();
  check(
    engine,
    `1: a 0+6 [0 1] *
     2: a 6+1 [0 1] *
     3: a 7+1 [0 1] *
     4: b 0+6 [2 3] *`,
  );
  assert.equal(engine.scheduler.status().preemptions, 0);
});

test("cancel in flight: pages stay until the step is committed, no output follows", () => {
  const engine = new EngineTrace();
  engine.add("a", ids(100, 6), { maxTokens: 3, promptLogprobs: 0 });
  engine.add("b", ids(200, 6), { maxTokens: 3 });
  engine.begin();
  assert.ok(engine.scheduler.cancel("a"));
  assert.equal(engine.scheduler.cancel("a"), false);
  engine.add("a", ids(300, 6), { maxTokens: 2 }); // the name is free again
  assert.equal(engine.scheduler.status().numFreePages, 12);
  const first = engine.end();
  assert.deepEqual(
    [...first.sequences, ...first.started, ...first.prompts].map(({ requestId }) => requestId),
    ["b", "b"],
  );
  assert.equal(engine.scheduler.status().numFreePages, 14);
  engine.drain();
  assert.equal(engine.tokensOf("a").length, 2);
  checkAllFree(engine);
});

test("cancel between steps: pages are free at once", () => {
  const engine = new EngineTrace();
  engine.add("a", ids(100, 6), { n: 2, bestOf: 2 });
  engine.add("b", ids(200, 6));
  engine.step();
  engine.step();
  assert.ok(engine.scheduler.cancel("a", 1));
  assert.ok(engine.scheduler.cancel("a"));
  assert.ok(engine.scheduler.cancel("b"));
  checkAllFree(engine);
  assert.equal(engine.step(), false);
});

test("static policy: the next batch enters when every member of this one is done", () => {
  const engine = new EngineTrace({ policy: "static", maxNumSeqs: 2, maxNumBatchedTokens: 8 });
  engine.add("a", ids(100, 6), { maxTokens: 2 });
  engine.add("b", ids(200, 6), { maxTokens: 4 });
  engine.add("c", ids(300, 2), { maxTokens: 2 });
  engine.drain();
  check(
    engine,
    `1: a 0+6 [0 1] * | b 0+2 [2]
     2: a 6+1 [0 1] * | b 2+4 [2 3] *
     3: b 6+1 [2 3] *
     4: b 7+1 [2 3] *
     5: b 8+1 [2 3 1] *
     6: c 0+2 [1] *
     7: c 2+1 [1] *`,
  );
});

test("static policy: a member that gave way returns before the next batch enters", () => {
  const engine = new EngineTrace({ policy: "static", maxNumSeqs: 2, numPages: 5 });
  engine.add("a", ids(100, 6), { maxTokens: 4 });
  engine.add("b", ids(200, 6), { maxTokens: 8 });
  engine.add("c", ids(300, 2), { maxTokens: 1 });
  engine.drain();
  check(
    engine,
    `1: a 0+6 [0 1] * | b 0+6 [2 3] *
     2: a 6+1 [0 1] * | b 6+1 [2 3] *
     3: a 7+1 [0 1] * | b 7+1 [2 3] *
     4: a 8+1 [0 1 4] *
     5: b 8+1 [2 3 4] *
     6: b 9+1 [2 3 4] *
     7: b 10+1 [2 3 4] *
     8: b 11+1 [2 3 4] *
     9: b 12+1 [2 3 4 1] *
     10: c 0+2 [1] *`,
  );
});

test("prompt logprobs: every prompt position gets its row, in chunks that respect the cap on rows", () => {
  const engine = new EngineTrace({ maxLogitRows: 4 });
  engine.add("a", ids(100, 3), { maxTokens: 4 });
  engine.add("b", ids(200, 7), { maxTokens: 1, promptLogprobs: 0 });
  engine.drain();
  check(
    engine,
    `1: a 0+3 [0] * | b 0+3 [1] | score 3 from row 1
     2: a 3+1 [0] * | b 3+3 [1 2] | score 3 from row 1
     3: a 4+1 [0 3] * | b 6+1 [1 2] *
     4: a 5+1 [0 3] *`,
  );
  const prompts = engine.outputs.map((output) => output.prompts);
  assert.deepEqual(
    prompts.map((each) => each.length),
    [0, 1, 0, 0],
  );
  const logprobs = prompts[1]![0]!.logprobs;
  assert.deepEqual(
    logprobs.map((entry) => entry?.tokenId ?? null),
    [null, ...ids(201, 6)],
  );
});

test("prompt logprobs fill the prefix cache, but do not read it", () => {
  const engine = new EngineTrace();
  engine.add("a", ids(100, 6), { maxTokens: 1, promptLogprobs: 0 });
  engine.drain();
  engine.add("b", ids(100, 6), { maxTokens: 1, promptLogprobs: 0 });
  engine.add("c", ids(100, 6), { maxTokens: 1 });
  engine.drain();
  check(
    engine,
    `1: a 0+6 [0 1] * | score 5 from row 0
     2: b 0+6 [1 2] * | c 4+2 [0 3] * | score 5 from row 0`,
  );
});

test("a prompt of one token has one prompt logprob: null", () => {
  const engine = new EngineTrace();
  engine.add("a", [5], { maxTokens: 1, promptLogprobs: 3 });
  engine.drain();
  assert.deepEqual(engine.outputs[0]!.prompts, [{ requestId: "a", logprobs: [null] }]);
});

test("pause: a paused sequence keeps its pages and its place, and takes no slot", () => {
  const engine = new EngineTrace({ maxNumSeqs: 1 });
  engine.add("a", ids(100, 6), { maxTokens: 4 });
  engine.add("b", ids(200, 3), { maxTokens: 3 });
  engine.step();
  assert.ok(engine.scheduler.pause("a"));
  engine.step();
  assert.ok(engine.scheduler.resume("a"));
  engine.drain();
  check(
    engine,
    `1: a 0+6 [0 1] *
     2: b 0+3 [2] *
     3: a 6+1 [0 1] *
     4: a 7+1 [0 1] *
     5: a 8+1 [0 1 3] *
     6: b 3+1 [2] *
     7: b 4+1 [2 3] *`,
  );
});

test("pause: when pages run out, the paused one gives way first, even to a newcomer", () => {
  const engine = new EngineTrace({ numPages: 4 });
  engine.add("a", ids(100, 6), { maxTokens: 8 });
  engine.step();
  engine.scheduler.pause("a");
  assert.equal(engine.step(), false);
  engine.add("b", ids(200, 9), { maxTokens: 3 });
  engine.step();
  assert.equal(engine.scheduler.status().preemptions, 1);
  engine.drain();
  engine.scheduler.resume("a");
  engine.drain();
  check(
    engine,
    `1: a 0+6 [0 1] *
     2: b 0+9 [1 2 3] *
     3: b 9+1 [1 2 3] *
     4: b 10+1 [1 2 3] *
     5: a 4+3 [0 3] *
     6: a 7+1 [0 3] *
     7: a 8+1 [0 3 2] *
     8: a 9+1 [0 3 2] *
     9: a 10+1 [0 3 2] *
     10: a 11+1 [0 3 2] *
     11: a 12+1 [0 3 2 1] *`,
  );
});

test("pause: an old prompt that is resumed moves on although decodes fill the budget", () => {
  const engine = new EngineTrace({ maxNumBatchedTokens: 2, maxNumSeqs: 3 });
  engine.add("a", ids(100, 4), { maxTokens: 1 });
  engine.step();
  engine.scheduler.pause("a");
  engine.add("b", [200], { maxTokens: 3 });
  engine.add("c", [300], { maxTokens: 3 });
  engine.step();
  engine.scheduler.resume("a");
  engine.drain();
  check(
    engine,
    `1: a 0+2 [0]
     2: b 0+1 [1] * | c 0+1 [2] *
     3: b 1+1 [1] * | a 2+1 [0]
     4: b 2+1 [1] * | a 3+1 [0] *
     5: c 1+1 [2] *
     6: c 2+1 [2] *`,
  );
});

test("a paused request that waits lets others pass", () => {
  const engine = new EngineTrace();
  engine.add("a", ids(100, 2), { maxTokens: 1 });
  engine.scheduler.pause("a");
  engine.add("b", ids(200, 2), { maxTokens: 1 });
  engine.drain();
  check(engine, "1: b 0+2 [0] *");
  engine.scheduler.resume("a");
  engine.drain();
  check(engine, "2: a 0+2 [0] *");
});
