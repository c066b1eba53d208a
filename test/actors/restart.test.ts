/** The cast under fire: whatever fails in the middle of 16 streams, their text is what it would have been. */
import assert from "node:assert/strict";
import { mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import type { Worker } from "node:worker_threads";
import { systemClock } from "../../src/core/clock.ts";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { type ActorRef, actorRef, type Protocol } from "../../src/runtime/actor-types.ts";
import { createServer } from "../../src/serving/create-server.ts";
import { createLogger } from "../../src/serving/logger.ts";
import { nextEvent } from "../runtime/runtime-harness.ts";
import {
  becomesIdle,
  params,
  question,
  startTestEngine,
  type TestEngine,
  testConfig,
  whole,
} from "./test-engine.ts";

/** 16 answers, one request with two of them. */
const requests = Array.from({ length: 15 }, (_, index) => ({
  prompt: question(`Tell me a short story about ${["a fox", "an owl", "a boat"][index % 3]}.`),
  params: params({
    temperature: 1,
    seed: index,
    maxTokens: 80,
    ignoreEos: true,
    ...(index === 5 && { n: 2 }),
  }),
}));
const CRASH_AT_DELTA = 300;

let running: TestEngine;
/** What the requests give when nothing happens. */
let calm: readonly (readonly string[])[];
const poolWorkers = new Set<Worker>();

before(async () => {
  const collect = (worker: Worker): void => {
    // the threads of actors have their actors' names
    if (worker.threadName !== "WorkerThread") return;
    poolWorkers.add(worker);
    worker.once("exit", () => poolWorkers.delete(worker));
  };
  process.on("worker", collect);
  running = await startTestEngine({ engine: { maxRestarts: 50 } });
  calm = (await Promise.all(requests.map((request) => whole(running.engine, request)))).map(
    ({ texts }) => texts,
  );
});
after(() => running[Symbol.asyncDispose]());

/** A message that no handler survives. */
function crash({ system }: TestEngine, actor: string, kind: string): void {
  const ref: ActorRef<Protocol> = actorRef(actor);
  assert.ok(system.tell(ref, kind, null));
}

/** Runs the requests, does harm in the middle of them, and compares; says how long the longest pause was. */
async function streamsSurvive(t: TestContext, { engine }: TestEngine, harm: () => void): Promise<void> {
  let numDeltas = 0;
  let lastMs = performance.now();
  let pauseMs = 0;
  const disturbed = await Promise.all(
    requests.map(async (request) => {
      const texts: string[] = [];
      for await (const event of engine.generate(request)) {
        if (event.kind !== "delta") continue;
        texts[event.index] = (texts[event.index] ?? "") + event.text;
        const nowMs = performance.now();
        if (numDeltas >= CRASH_AT_DELTA) pauseMs = Math.max(pauseMs, nowMs - lastMs);
        lastMs = nowMs;
        if (++numDeltas === CRASH_AT_DELTA) harm();
      }
      return texts;
    }),
  );
  assert.deepEqual(disturbed, calm);
  assert.ok(await becomesIdle(engine), "every page of the dead is free");
  t.diagnostic(`longest pause: ${Math.round(pauseMs)} ms`);
}

for (const [actor, kind, child] of [
  ["model-agent-0", "execute", "ranks"],
  ["sampler", "plan", "sampler"],
  ["scheduler", "sampled", "scheduler"],
  ["kv-store", "attach", "kv-store"],
  ["tokenizer-pool", "advanceAll", "tokenizer-pool"],
] as const) {
  test(`${actor} crashes in the middle of 16 streams: they go on with the same text`, async (t) => {
    const { engine, system } = running;
    const restarted = nextEvent(system, "restarted", ({ children }) => children.includes(child));
    if (actor === "kv-store") {
      const error = new TroupeError("internal", "failed by the test");
      await streamsSurvive(t, running, () => system.fail(actorRef(actor), error));
    } else {
      await streamsSurvive(t, running, () => crash(running, actor, kind));
    }
    await restarted;
    assert.equal(engine.status().state, "ready");
  });
}

test("a thread of the tokenizer pool dies in the middle of 16 streams: they go on with the same text", async (t) => {
  const exits: Promise<unknown>[] = [];
  await streamsSurvive(t, running, () => {
    for (const worker of poolWorkers) exits.push(worker.terminate());
  });
  assert.ok(exits.length > 0);
  await Promise.all(exits);
});

test("a model-agent that fails to load when it is restarted is restarted once more", async (t) => {
  const cacheDir = await mkdtemp(join(tmpdir(), "troupe-load-"));
  t.after(() => rm(cacheDir, { recursive: true }));
  await using own = await startTestEngine({ model: { cacheDir } });
  const away = `${cacheDir}-away`;
  const restarts: number[] = [];
  own.system.events.on("restarting", () => {
    restarts.push(restarts.length + 1);
    // not there for the first load, back for the second
    if (restarts.length === 2) renamed = renamed.then(() => rename(away, cacheDir));
  });
  let renamed: Promise<void> = Promise.resolve();
  await streamsSurvive(t, own, () => {
    renamed = rename(cacheDir, away);
    void renamed.then(() => crash(own, "model-agent-0", "execute"));
  });
  await renamed;
  assert.ok(restarts.length >= 2);
});

test("when the restart budget is spent, clients get a coded, retryable error, /ready says no, and nothing hangs", async () => {
  await using own = await startTestEngine({ engine: { maxRestarts: 0 } });
  const { engine } = own;
  const server = createServer({
    engine,
    config: { ...testConfig().server, port: 0 },
    logger: createLogger({ level: "silent", format: "json" }),
    version: "0.0.0",
    clock: systemClock,
  });
  const { url } = await server.listen();
  assert.equal((await fetch(`${url}/ready`)).status, 200);
  const stream = engine.generate({
    prompt: question("Tell me a story."),
    params: params({ ignoreEos: true, maxTokens: 900 }),
  });
  const escalated = nextEvent(own.system, "escalated");
  let isCrashed = false;
  await assert.rejects(
    async () => {
      for await (const event of stream) {
        if (event.kind !== "delta" || isCrashed) continue;
        isCrashed = true;
        crash(own, "sampler", "plan");
      }
    },
    { code: "engine_failed", retryable: true },
  );
  assert.notEqual(engine.status().state, "ready");
  await escalated;
  assert.equal(engine.status().state, "failed");
  await assert.rejects(whole(engine, { prompt: question("Hello"), params: params() }), {
    code: "engine_failed",
  });
  assert.equal((await fetch(`${url}/ready`)).status, 503);
  assert.equal((await fetch(`${url}/health`)).status, 503);
  const refused = await fetch(`${url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: engine.info.names[0], prompt: "Hello", max_tokens: 4 }),
  });
  assert.equal(refused.status, 503);
  assert.match(await refused.text(), /engine_failed/);
  await server.close();
});
