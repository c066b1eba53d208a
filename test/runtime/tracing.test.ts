import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { createActorSystem } from "../../src/hosts/create-actor-system.ts";
import { defineActor } from "../../src/runtime/actor-definition.ts";
import { type ActorRef, actorRef } from "../../src/runtime/actor-types.ts";
import {
  TRACE_CHANNELS,
  type TracedHandling,
  type TracedSend,
  type TracedSettling,
} from "../../src/runtime/trace-channels.ts";
import { childSpan, isTraceparent } from "../../src/runtime/traceparent.ts";
import { coded } from "./runtime-harness.ts";

type RelayProtocol = {
  relay: { message: ActorRef<RelayProtocol> | null; reply: number };
  refuse: { message: null; reply: null };
  note: { message: null };
  items: { message: null; item: number };
};

const relay = defineActor<RelayProtocol, null, null>({
  init: () => null,
  handlers: {
    async relay(_state, to, ctx) {
      if (to === null) return 1;
      ctx.tell(to, "note", null);
      for await (const _ of ctx.stream(to, "items", null));
      return 1 + (await ctx.ask(to, "relay", null));
    },
    refuse() {
      throw new TroupeError("unsupported", "no");
    },
    note: () => undefined,
    async *items() {
      yield 1;
    },
  },
});

function record<T>(t: TestContext, name: string): T[] {
  const seen: T[] = [];
  const listener = (message: unknown): void => void seen.push(message as T);
  subscribe(name, listener);
  t.after(() => unsubscribe(name, listener));
  return seen;
}

test("who listens sees every message of a trace, with its parent, its handling and its end", async (t) => {
  const sends = record<TracedSend>(t, TRACE_CHANNELS.send);
  const handlings = record<TracedHandling>(t, TRACE_CHANNELS.handled);
  const settlings = record<TracedSettling>(t, TRACE_CHANNELS.settled);
  const system = createActorSystem();
  t.after(() => system.shutdown());
  const [a, b] = [
    await system.spawn(relay, { name: "a", args: null }),
    await system.spawn(relay, { name: "b", args: null }),
  ];
  assert.equal(await system.ask(a, "relay", b), 2);
  const root = sends[0]!;
  assert.deepEqual(
    sends.map(({ operation, actor, kind, parent }) => [operation, actor, kind, parent]),
    [
      ["ask", "a", "relay", null],
      ["tell", "b", "note", root.traceparent],
      ["stream", "b", "items", root.traceparent],
      ["ask", "b", "relay", root.traceparent],
    ],
  );
  const traceIds = new Set(sends.map(({ traceparent }) => traceparent?.slice(0, 35)));
  assert.equal(traceIds.size, 1);
  assert.deepEqual(
    handlings.map(({ actor, kind, error }) => [actor, kind, error]),
    [
      ["b", "note", null],
      ["b", "items", null],
      ["b", "relay", null],
      ["a", "relay", null],
    ],
  );
  assert.deepEqual(
    settlings.map(({ operation, actor, kind, error }) => [operation, actor, kind, error]),
    [
      ["stream", "b", "items", null],
      ["ask", "b", "relay", null],
      ["ask", "a", "relay", null],
    ],
  );
  const ofRoot = [handlings.at(-1)?.traceparent, settlings.at(-1)?.traceparent];
  assert.deepEqual(ofRoot, [root.traceparent, root.traceparent]);
});

test("refusals and unreachable actors are reported with their errors", async (t) => {
  const handlings = record<TracedHandling>(t, TRACE_CHANNELS.handled);
  const settlings = record<TracedSettling>(t, TRACE_CHANNELS.settled);
  const system = createActorSystem();
  t.after(() => system.shutdown());
  const a = await system.spawn(relay, { name: "a", args: null });
  await assert.rejects(system.ask(a, "refuse", null), coded("unsupported"));
  await assert.rejects(
    system.ask(actorRef<RelayProtocol>("ghost"), "refuse", null),
    coded("actor_not_found"),
  );
  assert.deepEqual(
    [...handlings, ...settlings].map(({ error }) => (error as TroupeError).code),
    ["unsupported", "unsupported", "actor_not_found"],
  );
});

test("a child span keeps trace and flags, is always well formed, and differs from its parent", () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), { minLength: 8 }),
      (numbers) => {
        let at = 0;
        const random = (): number => numbers[at++ % numbers.length]!;
        const root = childSpan(null, random);
        const child = childSpan(root, random);
        assert.ok(isTraceparent(root), root);
        assert.ok(isTraceparent(child), child);
        assert.equal(child.slice(0, 36), root.slice(0, 36));
        assert.equal(child.slice(52), root.slice(52));
      },
    ),
    { numRuns: 100 },
  );
});

test("what is no traceparent of version 00 is told apart", () => {
  const good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
  assert.ok(isTraceparent(good));
  const bad = [
    "",
    good.toUpperCase(),
    good.slice(0, -1),
    `${good}-extra`,
    good.replace("00-4", "ff-4"),
    good.replace("00f067aa0ba902b7", "0".repeat(16)),
    good.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0".repeat(32)),
  ];
  for (const text of bad) assert.ok(!isTraceparent(text), text);
});
