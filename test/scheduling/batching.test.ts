import assert from "node:assert/strict";
import { test } from "node:test";
import { type BatchingOptions, DEFAULT_BATCHING } from "../../src/scheduling/batching-options.ts";
import { EngineTrace, type TraceOptions } from "./engine-trace.ts";
import { ids } from "./requests.ts";

function engineWith(batching: Partial<BatchingOptions>, options: Partial<TraceOptions> = {}): EngineTrace {
  return new EngineTrace({ ...options, batching: { ...DEFAULT_BATCHING, ...batching } });
}

const linesOf = (engine: EngineTrace): string[] =>
  engine.takeLines().map((line) => line.replaceAll(/ \[[^\]]*\]/g, ""));

test("prefillFirst: steps compute prompts or draw, and prompts go first", () => {
  const engine = engineWith({ phases: "prefillFirst" });
  engine.add("a", ids(1, 4), { maxTokens: 3 });
  engine.step();
  engine.add("b", ids(20, 20), { maxTokens: 2 });
  engine.drain();
  assert.deepEqual(linesOf(engine), [
    "1: a 0+4 *",
    "2: b 0+16",
    "3: b 16+4 *",
    "4: a 4+1 * | b 20+1 *",
    "5: a 5+1 *",
  ]);
});

test("leastWaste: a running sequence draws on until the empty slots outweigh it", () => {
  const engine = engineWith({ phases: "leastWaste", prefillCostMs: 300, decodeCostMs: 50 });
  engine.add("a", ids(1, 4), { maxTokens: 6 });
  engine.step();
  engine.add("b", ids(20, 4), { maxTokens: 1 });
  engine.drain();
  // 300 ms for a, against 50 * 3 more for every step with three empty slots
  assert.deepEqual(linesOf(engine), [
    "1: a 0+4 *",
    "2: a 4+1 *",
    "3: b 0+4 *",
    "4: a 5+1 *",
    "5: a 6+1 *",
    "6: a 7+1 *",
    "7: a 8+1 *",
  ]);
});

test("a phase without anything that can run leaves the step to the other one", () => {
  const engine = engineWith({ phases: "prefillFirst" }, { numPages: 3, maxModelLen: 12 });
  engine.add("a", ids(1, 6), { maxTokens: 3 });
  engine.step();
  engine.add("b", ids(20, 8), { maxTokens: 1 });
  engine.drain();
  assert.deepEqual(linesOf(engine), ["1: a 0+6 *", "2: a 6+1 *", "3: a 7+1 *", "4: b 0+8 *"]);
});

test("maxPrefillSeqs and maxPrefillTokens bound the prompts of a step, not its draws", () => {
  const engine = engineWith({ maxPrefillSeqs: 2, maxPrefillTokens: 6 });
  for (const [index, name] of ["a", "b", "c", "d"].entries())
    engine.add(name, ids(1 + 20 * index, index < 2 ? 2 : 5), { maxTokens: 3 });
  engine.drain();
  assert.deepEqual(linesOf(engine), [
    "1: a 0+2 * | b 0+2 *",
    "2: a 2+1 * | b 2+1 * | c 0+5 * | d 0+1",
    "3: a 3+1 * | b 3+1 * | c 5+1 * | d 1+4 *",
    "4: c 6+1 * | d 5+1 *",
    "5: d 6+1 *",
  ]);
});

test("a request waits for others until the delay is over, then they are computed together", () => {
  const engine = engineWith({ prefillDelayMs: 10, maxPrefillSeqs: 3 });
  engine.add("a", ids(1, 2), { maxTokens: 2 });
  assert.equal(engine.step(), false);
  assert.equal(engine.scheduler.timeToBatch(engine.nowMs), 10);
  engine.nowMs = 4;
  engine.add("b", ids(20, 2), { maxTokens: 2 });
  assert.equal(engine.step(), false);
  engine.nowMs = 10;
  assert.equal(engine.scheduler.timeToBatch(engine.nowMs), null);
  assert.ok(engine.step());
  assert.deepEqual(linesOf(engine), ["1: a 0+2 * | b 0+2 *"]);
});

test("running sequences draw on while new requests wait for others", () => {
  const engine = engineWith({ prefillDelayMs: 10, maxPrefillSeqs: 2 });
  engine.add("a", ids(1, 2), { maxTokens: 4 });
  engine.nowMs = 10;
  engine.step();
  engine.add("b", ids(20, 2), { maxTokens: 1 });
  engine.step();
  engine.add("c", ids(40, 2), { maxTokens: 1 });
  engine.step();
  assert.deepEqual(linesOf(engine), ["1: a 0+2 *", "2: a 2+1 *", "3: a 3+1 * | b 0+2 * | c 0+2 *"]);
});

test("maxPreemptions 0: who lacks a page sits out until others have ended, unless nobody could go on", () => {
  const run = (maxPreemptions: number | null, lengthOfB: number): EngineTrace => {
    const engine = engineWith({ maxPreemptions }, { numPages: 4, maxModelLen: 16, prefixCache: false });
    engine.add("a", ids(1, 3), { maxTokens: 12 });
    engine.add("b", ids(20, 3), { maxTokens: lengthOfB });
    engine.drain();
    return engine;
  };
  const [free, held] = [run(null, 12), run(0, 12)];
  assert.equal(free.scheduler.status().preemptions, 1);
  // a and b have two pages each when both want a third: one has to give way, once
  assert.equal(held.scheduler.status().preemptions, 1);
  for (const name of ["a", "b"]) assert.deepEqual(held.tokensOf(name), free.tokensOf(name));
});

test("with maxPreemptions 0 a younger one waits for a page that an end sets free", () => {
  const run = (maxPreemptions: number | null): EngineTrace => {
    const engine = engineWith({ maxPreemptions }, { numPages: 5, maxModelLen: 16, prefixCache: false });
    engine.add("a", ids(1, 3), { maxTokens: 8 });
    engine.add("b", ids(20, 3), { maxTokens: 4 });
    engine.add("c", ids(40, 3), { maxTokens: 5 });
    engine.drain();
    return engine;
  };
  const [free, held] = [run(null), run(0)];
  assert.ok(free.scheduler.status().preemptions > 0);
  assert.equal(held.scheduler.status().preemptions, 0);
  for (const name of ["a", "b", "c"]) assert.deepEqual(held.tokensOf(name), free.tokensOf(name));
});
