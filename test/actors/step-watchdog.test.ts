/** The real scheduler actor among stand-ins for the others, all on one thread and one clock of the test's. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  EDGE,
  KV_STORE,
  type KvStoreProtocol,
  modelAgent,
  SAMPLER,
  SCHEDULER,
} from "../../actors/messages.ts";
import type { SchedulerArgs } from "../../actors/scheduler-actor.ts";
import { ManualClock } from "../../src/core/manual-clock.ts";
import { createActorSystem } from "../../src/hosts/create-actor-system.ts";
import { createPageMap } from "../../src/kv/page-map.ts";
import { defineActor } from "../../src/runtime/actor-definition.ts";
import type { LogRecord, Protocol } from "../../src/runtime/actor-types.ts";
import { DEFAULT_BATCHING } from "../../src/scheduling/batching-options.ts";
import { createStatusBoard } from "../../src/scheduling/status-board.ts";
import { createStepTimes } from "../../src/scheduling/step-times.ts";
import { nextEvent } from "../runtime/runtime-harness.ts";
import { params } from "./test-engine.ts";

const STEP_TIMEOUT_MS = 5_000;

const args: SchedulerArgs = {
  options: {
    maxNumSeqs: 4,
    maxNumBatchedTokens: 16,
    maxLogitRows: 64,
    maxModelLen: 64,
    maxAnswerTokens: null,
    maxQueuedRequests: 8,
    policy: "continuous",
    batching: DEFAULT_BATCHING,
    vocabSize: 32,
    eosTokenIds: [],
    wholePrompts: false,
    maxDraftTokens: 0,
  },
  kv: { numPages: 16, pageSize: 8, prefixCache: false },
  numRanks: 1,
  stepTimeoutMs: STEP_TIMEOUT_MS,
};

/** Takes everything and answers nothing, as native code that never returns. */
const silent = defineActor<Protocol, null, null>({
  init: () => null,
  handlers: new Proxy(
    {},
    { get: () => () => undefined, getOwnPropertyDescriptor: () => ({ configurable: true }) },
  ),
});
const kvStore = defineActor<KvStoreProtocol, null, null>({
  init: () => null,
  handlers: {
    attach: () => ({
      kv: [],
      logits: { buffer: new SharedArrayBuffer(4), maxRows: 1, vocabSize: 1 },
      status: createStatusBoard(),
      stepTimes: createStepTimes(),
      pageMap: createPageMap(16),
    }),
  },
});

/** Lets everything that is already under way come to rest. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
}

test("a step that hangs is reported once with every sequence's state, and its model-agent treated as failed", async (t) => {
  const clock = new ManualClock();
  const logged: LogRecord[] = [];
  const system = createActorSystem({ clock, log: (record) => void logged.push(record) });
  t.after(() => system.shutdown());
  const silentChild = (name: string) => ({ name, module: silent, args: null });
  await system.supervise({
    kind: "supervisor",
    name: "engine",
    strategy: "rest-for-one",
    children: [
      silentChild(EDGE.actor),
      { name: KV_STORE.actor, module: kvStore, args: null },
      silentChild(modelAgent(0).actor),
      silentChild(SAMPLER.actor),
      { name: SCHEDULER.actor, module: new URL("../../actors/scheduler-actor.ts", import.meta.url), args },
    ],
  });
  for (const [requestId, numTokens] of [
    ["long", 20],
    ["short", 3],
  ] as const) {
    await system.ask(SCHEDULER, "submit", {
      requestId,
      promptIds: Int32Array.from({ length: numTokens }, (_, n) => n),
      params: params({ maxTokens: 8 }),
      seed: 1,
    } as never);
  }
  clock.advance(STEP_TIMEOUT_MS - 1);
  const isHang = (record: LogRecord): boolean => record.message.includes("engine.stepTimeoutMs");
  assert.equal(logged.filter(isHang).length, 0);
  const failing = nextEvent(system, "failing");
  const restarting = nextEvent(system, "restarting");
  clock.advance(1);
  const { actor, error } = await failing;
  assert.equal(actor, "model-agent-0");
  assert.equal(error.code, "deadline_exceeded");
  assert.deepEqual(error.details, {
    step: 1,
    timeoutMs: STEP_TIMEOUT_MS,
    sequences: [
      "long[0] running, in flight: 20 tokens (20 of the prompt), 0 computed",
      "short[0] waiting: 3 tokens (3 of the prompt), 0 computed",
    ].join("\n"),
  });
  const { children, delayMs } = await restarting;
  assert.deepEqual(children, ["model-agent-0", "sampler", "scheduler"]);
  const restarted = nextEvent(system, "restarted");
  await settle();
  clock.advance(delayMs);
  await restarted;
  const reports = logged.filter(isHang);
  assert.equal(reports.length, 1);
  assert.equal(reports[0]?.level, "error");
  assert.equal(reports[0]?.fields.sequences, error.details.sequences);
  // The new scheduler starts from nothing; the edge submits again.
  clock.advance(STEP_TIMEOUT_MS * 2);
  assert.equal(logged.filter(isHang).length, 1);
  const { actors } = system.inspect();
  assert.ok(actors.every(({ state }) => state === "running"));
});
