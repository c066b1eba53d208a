/** Actors of a user beside the cast, in a system of the user's own. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { startEngine } from "../../actors/engine.ts";
import { type AdmissionProtocol, SCHEDULER } from "../../actors/messages.ts";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { createActorSystem } from "../../src/hosts/create-actor-system.ts";
import type { Engine } from "../../src/protocol/engine.ts";
import { defineActor } from "../../src/runtime/actor-definition.ts";
import type { ActorSystem } from "../../src/runtime/actor-system.ts";
import { type ActorRef, actorRef } from "../../src/runtime/actor-types.ts";
import { nextEvent } from "../runtime/runtime-harness.ts";
import { params, question, testConfig, whole } from "./test-engine.ts";

type GuardProtocol = AdmissionProtocol & {
  seen: { message: null; reply: string[] };
  crash: { message: null };
};

const guard = defineActor<GuardProtocol, null, string[]>({
  init: () => [],
  handlers: {
    async submit(seen, request, ctx) {
      const trace = ctx.traceparent === null ? "" : ` of trace ${ctx.traceparent.split("-")[1]}`;
      seen.push(request.requestId + trace);
      if (request.requestId === "bad") throw new TroupeError("invalid_request", "not here");
      return await ctx.ask(SCHEDULER, "submit", request);
    },
    seen: (seen) => seen,
    crash() {
      throw new RangeError("the guard broke");
    },
  },
});

async function guarded(
  t: TestContext,
): Promise<{ engine: Engine; system: ActorSystem; ref: ActorRef<GuardProtocol> }> {
  const system = createActorSystem();
  t.after(() => system.shutdown());
  const ref = await system.spawn(guard, { name: "guard", args: null });
  const admission = actorRef<AdmissionProtocol>("guard");
  const engine = await startEngine(testConfig(), { system, admission });
  return { engine, system, ref };
}

const request = (requestId: string, maxTokens = 8) => ({
  requestId,
  prompt: question("Tell me a story."),
  params: params({ maxTokens, ignoreEos: true }),
});

test("an actor before the scheduler sees every request, again after a restart, and refuses what it likes", async (t) => {
  const { engine, system, ref } = await guarded(t);
  const calm = await whole(engine, request("calm", 120));
  await assert.rejects(whole(engine, request("bad")), { code: "invalid_request", message: /not here/ });
  let text = "";
  for await (const event of engine.generate(request("long", 120))) {
    if (event.kind !== "delta") continue;
    if (text === "") system.fail(SCHEDULER, new TroupeError("internal", "failed by the test"));
    text += event.text;
  }
  assert.equal(text, calm.texts[0]);
  assert.deepEqual(await system.ask(ref, "seen", null), ["calm", "bad", "long", "long"]);
  await engine.stop();
});

test("a request that cannot be admitted because its actor is down fails at once and may be retried", async (t) => {
  const { engine, system, ref } = await guarded(t);
  const down = nextEvent(system, "down");
  system.tell(ref, "crash", null);
  await down;
  assert.equal(engine.status().state, "ready");
  await system.stop(ref);
  await assert.rejects(whole(engine, request("late")), { code: "not_ready", retryable: true });
  assert.equal(engine.status().numRunning, 0);
  await engine.stop();
});

test("stopping the engine leaves the system and its other actors running, and another engine may start there", async (t) => {
  const { engine, system, ref } = await guarded(t);
  const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
  const traceparent = `00-${traceId}-00f067aa0ba902b7-01`;
  for await (const _ of engine.generate(request("first"), { traceparent }));
  await engine.stop();
  await engine.stop();
  assert.deepEqual(await system.ask(ref, "seen", null), [`first of trace ${traceId}`]);
  assert.deepEqual(
    system.inspect().actors.map(({ name }) => name),
    ["guard"],
  );
  const next = await startEngine(testConfig(), { system });
  assert.equal((await whole(next, request("again"))).tokenIds[0]?.length, 8);
  await next.stop();
});
