/** Children, groups, inherited deadlines and traces: the same on every host. Each host's test file runs all of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "../../src/core/manual-clock.ts";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { type ActorRef, actorRef } from "../../src/runtime/actor-types.ts";
import type { Inherited, ParentArgs, ParentProtocol } from "./actors/parent-actor.ts";
import type { ProbeProtocol } from "./actors/probe-actor.ts";
import { newLatch, openLatch, untilOpen } from "./latch.ts";
import { coded, nextEvent, type Setup, setup } from "./runtime-harness.ts";

const PARENT = new URL("./actors/parent-actor.ts", import.meta.url);
type Parent = ActorRef<ParentProtocol>;

export function familyCases(host: string): void {
  childCases(host);
  failCases(host);
  groupCases(host);
  inheritanceCases(host);
}

function spawnParent({ system }: Setup, host: string, name: string, args: ParentArgs = {}): Promise<Parent> {
  return system.spawn<ParentProtocol>(PARENT, { host, name, args });
}

function names({ system }: Setup): string[] {
  return system.inspect().actors.map(({ name, state }) => `${name} ${state}`);
}

function childCases(host: string): void {
  test(`${host}: an actor spawns children, also on other hosts; they answer anybody`, async (t) => {
    const family = setup(t, host);
    const parent = await spawnParent(family, host, "parent");
    const { system } = family;
    const children = [
      await system.ask(parent, "spawn", { host: "inline" }),
      await system.ask(parent, "spawn", { host, name: "named" }),
    ];
    assert.deepEqual(children, [{ actor: "parent/1" }, { actor: "named" }]);
    for (const child of children) assert.equal(await system.ask(child, "echo", 1), 1);
    assert.deepEqual(names(family), ["parent running", "parent/1 running", "named running"]);
    assert.equal(system.inspect().actors[1]?.supervisor, "parent/children");
  });

  test(`${host}: a child's failed init, a name in use and a foreign child are coded errors of the spawning actor`, async (t) => {
    const family = setup(t, host);
    const { system } = family;
    const parent = await spawnParent(family, host, "parent");
    await assert.rejects(
      system.ask(parent, "spawn", { host, initFails: true, name: "x" }),
      coded("actor_init_failed"),
    );
    await assert.rejects(system.ask(parent, "spawn", { host, name: "parent" }), coded("invalid_config"));
    await assert.rejects(system.ask(parent, "spawn", { host: "moon" }), coded("invalid_config"));
    await assert.rejects(system.ask(parent, "stopChild", actorRef("parent")), coded("actor_not_found"));
    await system.ask(parent, "spawn", { host, name: "x" });
    const expected = host === "inline" ? "spawned" : "invalid_request";
    assert.equal(await system.ask(parent, "spawnDefinition", null), expected);
  });

  test(`${host}: a stopped child is gone and its name is free`, async (t) => {
    const family = setup(t, host);
    const { system } = family;
    const parent = await spawnParent(family, host, "parent");
    const child = await system.ask(parent, "spawn", { host, name: "child" });
    await system.ask(parent, "stopChild", child);
    assert.deepEqual(names(family), ["parent running"]);
    await system.ask(parent, "spawn", { host, name: "child" });
  });

  test(`${host}: children end with their parent, grandchildren too, before it starts again`, async (t) => {
    const family = setup(t, host);
    const { system } = family;
    const parent = await spawnParent(family, host, "parent");
    const order: string[] = [];
    system.events.on("down", ({ ref, reason }) => order.push(`${ref.actor} ${reason.kind}`));
    system.events.on("started", ({ actor }) => order.push(`${actor} starts`));
    const second = await system.ask(parent, "spawnParent", { host });
    await system.ask(second, "spawn", { host: "inline", name: "grandchild" });
    await system.ask(parent, "spawn", { host: "inline", name: "last" });
    order.splice(0);
    const restarted = nextEvent(system, "restarted");
    system.tell(parent, "crash", null);
    await restarted;
    assert.deepEqual(order, [
      "parent crash",
      "last stopped",
      "parent/1 stopped",
      "grandchild stopped",
      "parent starts",
    ]);
    assert.deepEqual(names(family), ["parent running"]);
    await system.ask(parent, "spawn", { host: "inline", name: "grandchild" });
  });

  test(`${host}: stopping a parent stops its children; at a shutdown everybody hears of it`, async (t) => {
    const family = setup(t, host);
    const { system } = family;
    const [first, second] = [
      await spawnParent(family, host, "first"),
      await spawnParent(family, host, "second"),
    ];
    const [a, b] = [
      await system.ask(first, "spawn", { host: "inline", name: "a" }),
      await system.ask(second, "spawn", { host: "inline", name: "b" }),
    ];
    await system.stop(first);
    await assert.rejects(system.ask(a, "echo", 1), coded("actor_not_found"));
    const down = nextEvent(system, "down", ({ ref }) => ref.actor === b.actor);
    await system.shutdown();
    assert.equal((await down).reason.kind, "shutdown");
  });

  test(`${host}: children that go down too often are their parent's crash`, async (t) => {
    const clock = new ManualClock();
    const family = setup(t, host, { clock });
    const { system } = family;
    const parent = await spawnParent(family, host, "parent");
    const child = await system.ask(parent, "spawnParent", { host: "inline" });
    const down = nextEvent(system, "down", ({ ref }) => ref.actor === "parent");
    for (let crash = 0; crash < 4; crash++) {
      const next =
        crash < 3 ? nextEvent(system, "restarting") : nextEvent(system, "escalated").then(() => null);
      const restarted = nextEvent(system, "restarted");
      system.tell(child, "crash", null);
      const restarting = await next;
      if (restarting === null) break;
      while (clock.numPending === 0) await new Promise(setImmediate);
      clock.advance(restarting.delayMs);
      await restarted;
    }
    const { reason } = await down;
    assert.ok(reason.kind === "crash" && reason.error.code === "restart_budget_spent");
    assert.equal(reason.error.details.supervisor, "parent/children");
  });
}

function failCases(host: string): void {
  test(`${host}: an actor that is failed by another stops between handlers, with that error, and is restarted`, async (t) => {
    const family = setup(t, host);
    const { system, spawnProbe } = family;
    const watcher = await spawnParent(family, host, "watcher");
    const probe = await spawnProbe({ name: "stuck", restart: "permanent" });
    const [entered, release] = [newLatch(), newLatch()];
    const held = system.ask(probe, "hold", { entered, release });
    await untilOpen(entered);
    const failing = nextEvent(system, "failing");
    const down = nextEvent(system, "down");
    const restarted = nextEvent(system, "restarted");
    await system.ask(watcher, "fail", probe);
    assert.deepEqual((await failing).error.details, { step: 7 });
    await assert.rejects(system.ask(watcher, "fail", probe), coded("actor_not_found"));
    openLatch(release);
    assert.equal(await held, "released");
    const { reason } = await down;
    assert.ok(reason.kind === "crash" && reason.error.code === "deadline_exceeded");
    await restarted;
    assert.equal((await system.ask(probe, "identity", null)).incarnation, 2);
    assert.throws(
      () => system.fail(actorRef("ghost"), new TroupeError("cancelled", "x")),
      coded("actor_not_found"),
    );
  });

  test(`${host}: one that is failed and does not park in time is abandoned, and its supervisor gives up`, async (t) => {
    if (host === "inline") return; // what blocks here blocks the system's own thread
    const clock = new ManualClock();
    const { system } = setup(t, host, { clock, abandonAfterMs: 500 });
    const [entered, release, stopped] = [newLatch(), newLatch(), newLatch()];
    const module = new URL("./actors/probe-actor.ts", import.meta.url);
    await system.supervise({
      kind: "supervisor",
      name: "tree",
      strategy: "one-for-one",
      restart: "temporary",
      children: [{ name: "stuck", host, module, args: { stopped }, stopTimeoutMs: 100 }],
    });
    const stuck = actorRef<ProbeProtocol>("stuck");
    system.tell(stuck, "spinUntilOpen", { entered, release });
    await untilOpen(entered);
    const escalated = nextEvent(system, "escalated");
    system.fail(stuck, new TroupeError("deadline_exceeded", "it hangs"));
    clock.advance(100);
    clock.advance(500);
    assert.equal((await escalated).error.code, "deadline_exceeded");
    await assert.rejects(system.ask(stuck, "echo", 1), coded("actor_down"));
    openLatch(release);
    await untilOpen(stopped);
  });
}

function groupCases(host: string): void {
  test(`${host}: a group has its running members in the order they joined, and tells of every change`, async (t) => {
    const family = setup(t, host);
    const { system } = family;
    const log: string[] = [];
    const watch = system.watchGroup("team", ({ kind, ref, members }) => {
      log.push(`${kind} ${ref.actor} ${members.length}`);
    });
    const first = await spawnParent(family, host, "first");
    const second = await spawnParent(family, host, "second", { group: "team" });
    await untilMembers(family, 1);
    await system.ask(first, "join", "team");
    await system.ask(first, "join", "team");
    await untilMembers(family, 2);
    assert.deepEqual(system.members("team"), [{ actor: "second" }, { actor: "first" }]);
    await until(async () => (await system.ask(first, "members", "team")).length === 2);
    assert.deepEqual(await system.ask(first, "members", "team"), ["second", "first"]);
    await system.ask(second, "leave", "team");
    await untilMembers(family, 1);
    const left = nextEvent(system, "restarted");
    system.tell(first, "crash", null);
    await left;
    assert.deepEqual(system.members("team"), []);
    assert.deepEqual(log, ["joined second 1", "joined first 2", "left second 1", "left first 0"]);
    await until(async () => (await system.ask(second, "changes", null)).length === 4);
    assert.deepEqual(await system.ask(second, "changes", null), [
      ["joined", "second", 1],
      ["joined", "first", 2],
      ["left", "second", 1],
      ["left", "first", 0],
    ]);
    watch.cancel();
    await system.ask(second, "join", "team");
    await untilMembers(family, 1);
    assert.equal(log.length, 4);
  });

  test(`${host}: what joins in its init is a member once init is done, and again after a restart`, async (t) => {
    const family = setup(t, host);
    const { system } = family;
    const initWaits = newLatch();
    const spawned = spawnParent(family, host, "slow", { group: "team", initWaits });
    assert.deepEqual(system.members("team"), []);
    openLatch(initWaits);
    const slow = await spawned;
    await untilMembers(family, 1);
    const late = await spawnParent(family, host, "late");
    assert.deepEqual(await system.ask(late, "members", "team"), ["slow"]);
    const joinedAgain = new Promise((resolve) =>
      system.watchGroup("team", ({ kind }) => kind === "joined" && resolve(kind)),
    );
    system.tell(slow, "crash", null);
    await joinedAgain;
    assert.deepEqual(system.members("team"), [{ actor: "slow" }]);
  });

  test(`${host}: names are found while somebody runs under them`, async (t) => {
    const family = setup(t, host);
    const { system, spawnProbe } = family;
    const parent = await spawnParent(family, host, "parent");
    const probe = await spawnProbe({ name: "probe" });
    // The parent hears of the probe before it hears of this message's sender asking it.
    assert.deepEqual(system.lookup("probe"), { actor: "probe" });
    await until(async () => (await system.ask(parent, "lookup", "probe")) !== null);
    assert.equal(await system.ask(parent, "lookup", "ghost"), null);
    await system.stop(probe);
    assert.equal(system.lookup("probe"), null);
  });
}

function inheritanceCases(host: string): void {
  test(`${host}: a nested ask inherits what is left of its caller's deadline; what follows the answer does not`, async (t) => {
    const family = setup(t, host);
    const { system } = family;
    const [a, b] = [await spawnParent(family, host, "a"), await spawnParent(family, host, "b")];
    const isWithin = ({ remainingMs }: Inherited, limitMs: number): boolean =>
      remainingMs !== null && remainingMs > 0 && remainingMs <= limitMs;
    assert.ok(isWithin(await system.ask(b, "look", null, { deadlineMs: 20_000 }), 20_000));
    assert.ok(isWithin(await system.ask(a, "lookOf", b, { deadlineMs: 20_000 }), 20_000));
    const go = newLatch();
    await system.ask(a, "lookLater", { of: b, go }, { deadlineMs: 20_000 });
    openLatch(go);
    await until(async () => (await system.ask(a, "seenLater", null)) !== null);
    const later = await system.ask(a, "seenLater", null);
    assert.ok(later?.remainingMs !== null && later!.remainingMs > 30_000);
  });

  test(`${host}: when a deadline passes, every ask nested in it settles with it`, async (t) => {
    const family = setup(t, host);
    const { system, spawnProbe } = family;
    const parent = await spawnParent(family, host, "parent");
    const silent = await spawnProbe();
    const entered = newLatch();
    const asked = system.ask(parent, "askSilent", { of: silent, entered }, { deadlineMs: 30 });
    // Both end at the same moment: the parent may or may not get to answer.
    assert.equal(await asked.catch((error: TroupeError) => error.code), "deadline_exceeded");
    // Had the nested ask kept its own 30 s, the parent would not answer this.
    assert.deepEqual(await system.ask(parent, "changes", null, { deadlineMs: 10_000 }), []);
  });

  test(`${host}: a trace given at the edge is every nested message's, each with a span of its own`, async (t) => {
    const family = setup(t, host);
    const { system } = family;
    const [a, b] = [await spawnParent(family, host, "a"), await spawnParent(family, host, "b")];
    const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const direct = await system.ask(b, "look", null, { traceparent });
    const nested = await system.ask(a, "lookOf", b, { traceparent });
    const spans = [traceparent, direct.traceparent!, nested.traceparent!].map((text) => text.split("-"));
    for (const [version, traceId, , flags] of spans)
      assert.deepEqual([version, traceId, flags], ["00", "4bf92f3577b34da6a3ce929d0e0e4736", "01"]);
    assert.equal(new Set(spans.map(([, , spanId]) => spanId)).size, 3);
    assert.equal((await system.ask(a, "lookOf", b)).traceparent, null);
    assert.equal((await system.ask(b, "look", null, { traceparent: "garbage" })).traceparent, null);
  });
}

async function untilMembers({ system }: Setup, num: number): Promise<void> {
  await until(async () => system.members("team").length === num);
}

/** Looks again after each turn of the event loop. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise(setImmediate);
}
