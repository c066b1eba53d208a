import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createActorSystem } from "../../src/hosts/create-actor-system.ts";
import { defineActor } from "../../src/runtime/actor-definition.ts";
import { actorRef } from "../../src/runtime/actor-types.ts";
import type { ActorSpec, SupervisionStrategy, SupervisorSpec } from "../../src/runtime/supervisor-spec.ts";
import { coded, nextEvent } from "./runtime-harness.ts";

type ChildProtocol = {
  crash: { message: null };
  ready: { message: null; reply: string };
};

interface ChildArgs {
  readonly name: string;
  /** Whom its init asks. */
  readonly needs?: string;
}

function stage(t: TestContext) {
  const system = createActorSystem();
  t.after(() => system.shutdown());
  const log: string[] = [];
  const failing = new Set<string>();
  const definition = defineActor<ChildProtocol, ChildArgs, string>({
    async init(ctx, { name, needs }) {
      log.push(`>${name}`);
      if (needs !== undefined) await ctx.ask(actorRef<ChildProtocol>(needs), "ready", null);
      else await Promise.resolve();
      if (failing.has(name)) throw new RangeError(`${name} cannot start`);
      log.push(`+${name}`);
      return name;
    },
    handlers: {
      crash() {
        throw new RangeError("crash");
      },
      ready: (name) => name,
    },
    onStop: (name) => void log.push(`-${name}`),
  });
  const child = (name: string, needs?: string): ActorSpec => ({
    name,
    module: definition,
    args: { name, ...(needs !== undefined && { needs }) },
  });
  const tree = (strategy: SupervisionStrategy, children: readonly ActorSpec[]): SupervisorSpec => ({
    kind: "supervisor",
    name: "tree",
    strategy,
    children,
    start: "together",
    backoff: { minMs: 0, maxMs: 0, jitter: 0 },
  });
  return { system, log, failing, child, tree };
}

test("children that start together find each other: one whose init needs a later one waits for it", async (t) => {
  const { system, log, child, tree } = stage(t);
  await system.supervise(tree("one-for-one", [child("a", "c"), child("b"), child("c")]));
  assert.deepEqual(log, [">a", ">b", ">c", "+b", "+c", "+a"]);
  await system.stop({ actor: "tree" });
  assert.deepEqual(log.slice(6), ["-c", "-b", "-a"]);
});

test("one of them that fails ends the start with its own error, and nothing of the others is left", async (t) => {
  const { system, log, failing, child, tree } = stage(t);
  failing.add("c");
  const spec = tree("one-for-one", [child("a", "c"), child("b"), child("c")]);
  await assert.rejects(system.supervise(spec), (error) => {
    assert.ok(coded("actor_init_failed")(error));
    assert.match((error as Error).message, /^c could not be started/);
    return true;
  });
  assert.deepEqual(log, [">a", ">b", ">c", "+b", "-b"]);
  failing.clear();
  await system.supervise(spec);
});

test("a group that is restarted starts together too, and is tried again when one fails", async (t) => {
  const { system, log, failing, child, tree } = stage(t);
  await system.supervise(tree("rest-for-one", [child("a"), child("b", "c"), child("c")]));
  log.splice(0);
  failing.add("c");
  system.events.on("restarting", () => {
    if (log.includes(">c")) failing.clear();
  });
  const restarted = nextEvent(system, "restarted");
  await system.tell(actorRef<ChildProtocol>("b"), "crash", null);
  await restarted;
  assert.deepEqual(log, ["-b", "-c", ">b", ">c", ">b", ">c", "+c", "+b"]);
  assert.equal(await system.ask(actorRef<ChildProtocol>("b"), "ready", null), "b");
});
