import assert from "node:assert/strict";
import { test } from "node:test";
import { startEngine } from "../../actors/engine.ts";
import { Replicas } from "../../actors/replicas.ts";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import type { Prompt } from "../../src/protocol/engine.ts";
import type { LogRecord } from "../../src/runtime/actor-types.ts";
import { FakeEngine } from "../serving/fake-engine.ts";
import { becomesIdle, params, question, testConfig, whole } from "./test-engine.ts";

const ask = (text: string): { prompt: Prompt; params: ReturnType<typeof params> } => ({
  prompt: { kind: "text", text },
  params: params({ maxTokens: 3 }),
});

function fakes(count: number) {
  const engines = Array.from({ length: count }, () => new FakeEngine());
  return {
    engines,
    replicas: new Replicas(engines),
    counts: () => engines.map(({ requests }) => requests.length),
  };
}

test("requests that run at once are shared out, those that begin alike go to one engine", async () => {
  const { engines, replicas, counts } = fakes(3);
  for (const engine of engines) engine.hold();
  const running = ["a", "b", "c"].map((text) => whole(replicas, ask(text)));
  await Promise.all(engines.map((engine) => engine.until(({ requests }) => requests.length === 1)));
  for (const engine of engines) engine.release();
  await Promise.all(running);
  for (let i = 0; i < 4; i++) await whole(replicas, ask("a"));
  assert.deepEqual(counts().toSorted(), [1, 1, 5]);
});

test("an engine that refuses before its first event is passed over, and the last one's reason is told", async () => {
  const { engines, replicas, counts } = fakes(2);
  const refuse = new TroupeError("queue_full", "Full.");
  engines[0]!.script = { refuse };
  for (let i = 0; i < 3; i++) await whole(replicas, ask(`text ${i}`));
  assert.equal(counts()[1], 3);
  engines[1]!.script = { refuse };
  await assert.rejects(whole(replicas, ask("once more")), { code: "queue_full" });
});

test("a request that is wrong, or has begun, is not tried again", async () => {
  const { engines, replicas, counts } = fakes(2);
  for (const engine of engines) engine.script = { refuse: new TroupeError("prompt_too_long", "Too long.") };
  await assert.rejects(whole(replicas, ask("long")), { code: "prompt_too_long" });
  const error = new TroupeError("engine_failed", "Gone.");
  for (const engine of engines) engine.script = { fail: { afterTokens: 1, error } };
  await assert.rejects(whole(replicas, ask("begun")), { code: "engine_failed" });
  assert.equal(counts()[0]! + counts()[1]!, 2);
});

test("an engine that has failed gets nothing, and the whole is ready while one is", async () => {
  const { engines, replicas, counts } = fakes(2);
  await whole(replicas, ask("a"));
  const first = counts().indexOf(1);
  engines[first]!.state = "failed";
  await whole(replicas, ask("a"));
  assert.deepEqual(counts(), [1, 1]);
  assert.equal(replicas.status().state, "ready");
  engines[1 - first]!.state = "failed";
  assert.equal(replicas.status().state, "failed");
});

test("figures of all engines are added up, and actors say whose they are", () => {
  const { replicas } = fakes(2);
  const { numPages, numFreePages, counters } = replicas.status();
  assert.deepEqual([numPages, numFreePages, counters.steps], [200, 150, 66]);
  assert.deepEqual(
    replicas.inspect().actors.map(({ name }) => name),
    ["engine-0/edge", "engine-1/edge"],
  );
  const { pages, totals } = replicas.snapshot();
  assert.deepEqual([pages.length, totals.totalMs], [200, 4000]);
});

test("leaving a stream cancels it where it runs", async () => {
  const { engines, replicas } = fakes(2);
  for await (const _event of replicas.generate(ask("a"))) break;
  assert.equal(engines[0]!.cancelled.length + engines[1]!.cancelled.length, 1);
});

test("two engines of two ranks answer as one, and a conversation stays where its pages are", async () => {
  const actors = new Set<string>();
  const log = ({ actor }: LogRecord): void => void actors.add(actor);
  const config = testConfig({ engine: { dataParallel: 2, tensorParallel: 2 } });
  const engine = await startEngine(config, { log });
  try {
    const request = {
      prompt: question("Tell me a short story about a fox."),
      params: params({ maxTokens: 24 }),
    };
    const [first, ...others] = await Promise.all([1, 2, 3].map(() => whole(engine, request)));
    for (const other of others) assert.deepEqual(other.texts, first!.texts);
    const again = await whole(engine, request);
    assert.deepEqual(again.texts, first!.texts);
    assert.ok(again.usage.numCachedTokens > 0);
    assert.ok(actors.has("engine-1/model-agent-1"));
    assert.ok(await becomesIdle(engine));
  } finally {
    await engine.stop();
  }
});
