import assert from "node:assert/strict";
import { test } from "node:test";
import { PAGE_STATES } from "../../src/kv/page-map.ts";
import { becomesIdle, params, question, startTestEngine, whole } from "./test-engine.ts";

test("a snapshot shows the pages as they are taken and shared, and the time of each step", async () => {
  await using started = await startTestEngine();
  const { engine } = started;
  const states = (): Set<string> => new Set([...engine.snapshot().pages].map((state) => PAGE_STATES[state]!));
  assert.deepEqual(states(), new Set(["free"]));

  const seen = new Set<string>();
  const long = "Tell me a story about a fox and a bear who go to the river to fish. ".repeat(4);
  const request = { prompt: question(long), params: params({ n: 2, temperature: 1, seed: 1 }) };
  for await (const _event of engine.generate(request)) for (const state of states()) seen.add(state);
  assert.ok(seen.has("used") && seen.has("shared"), [...seen].join());
  assert.ok(await becomesIdle(engine));
  assert.equal(engine.snapshot().pages.length, engine.status().numPages);
  assert.deepEqual(states(), new Set(["free", "cached"]));

  await whole(engine, request);
  const { steps } = engine.snapshot();
  assert.ok(steps.length > 10);
  for (const { totalMs, executeMs, sampleMs, numTokens } of steps) {
    assert.ok(executeMs > 0 && sampleMs > 0 && numTokens > 0);
    assert.ok(executeMs + sampleMs <= totalMs);
  }
});
