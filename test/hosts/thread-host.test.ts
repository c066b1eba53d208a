import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "../../src/core/manual-clock.ts";
import type { TroupeError } from "../../src/errors/troupe-error.ts";
import { defineActor } from "../../src/runtime/actor-definition.ts";
import type { RogueProtocol } from "../runtime/actors/rogue-actor.ts";
import { isOpen, newLatch, openLatch, untilOpen } from "../runtime/latch.ts";
import { coded, nextEvent, PROBE, setup } from "../runtime/runtime-harness.ts";

const ROGUE = new URL("../runtime/actors/rogue-actor.ts", import.meta.url);

test("a thread inside a long computation is never ended from outside: it sees the stop, parks, then ends", async (t) => {
  const { system, spawnProbe } = setup(t, "thread");
  const stopped = newLatch();
  const probe = await spawnProbe({ args: { stopped } });
  const [entered, left] = [newLatch(), newLatch()];
  system.tell(probe, "spinUntilStop", { entered, left });
  await untilOpen(entered);
  await system.stop(probe);
  assert.equal(isOpen(left), true);
  assert.equal(isOpen(stopped), true);
});

test("a thread that does not park is reported, waited for, abandoned, and left to end by itself", async (t) => {
  const clock = new ManualClock();
  const { system, spawnProbe } = setup(t, "thread", { clock, abandonAfterMs: 500 });
  const stopped = newLatch();
  const [other, probe] = [await spawnProbe(), await spawnProbe({ args: { stopped }, stopTimeoutMs: 100 })];
  const [entered, release] = [newLatch(), newLatch()];
  system.tell(probe, "spinUntilOpen", { entered, release });
  await untilOpen(entered);
  const settled = assert.rejects(system.ask(probe, "echo", 1), coded("system_stopped"));
  const late = nextEvent(system, "stop-late");
  const abandoned = nextEvent(system, "abandoned");
  const shutdown = system.shutdown();
  const rejected = assert.rejects(shutdown, coded("deadline_exceeded"));
  await new Promise(setImmediate);
  clock.advance(100);
  assert.deepEqual(await late, { actor: probe.actor, waitedMs: 100 });
  assert.equal(system.inspect().actors.find(({ name }) => name === probe.actor)?.state, "stopping");
  clock.advance(500);
  assert.equal((await abandoned).error.code, "deadline_exceeded");
  await Promise.all([rejected, settled]);
  const states = system.inspect().actors.map(({ name, state }) => [name, state]);
  assert.deepEqual(states, [
    [other.actor, "down"],
    [probe.actor, "abandoned"],
  ]);
  openLatch(release);
  await untilOpen(stopped);
});

for (const kind of ["throwOutside", "rejectOutside"] as const) {
  test(`${kind}: an error nobody caught is a crash with its cause; onStop runs, the supervisor restarts`, async (t) => {
    const { system } = setup(t, "thread");
    const stopped = newLatch();
    const rogue = await system.spawn<RogueProtocol>(ROGUE, { host: "thread", args: { stopped } });
    const [down, restarted] = [nextEvent(system, "down"), nextEvent(system, "restarted")];
    system.tell(rogue, kind, null);
    const { reason } = await down;
    assert.ok(reason.kind === "crash");
    assert.match(reason.error.message, /outside/);
    assert.equal(isOpen(stopped), true);
    await restarted;
    assert.equal(await system.ask(rogue, "numLoops", null), 0);
  });
}

test("a thread that exits by itself is a crash that names the exit code, and its callers settle", async (t) => {
  const { system } = setup(t, "thread");
  const rogue = await system.spawn<RogueProtocol>(ROGUE, { host: "thread", args: {}, restart: "temporary" });
  const down = nextEvent(system, "down");
  await assert.rejects(system.ask(rogue, "exit", 3), coded("actor_down"));
  const { reason } = await down;
  assert.ok(reason.kind === "crash");
  assert.equal(reason.error.details.exitCode, 3);
});

test("a handle left behind does not keep a parked thread for ever", async (t) => {
  const clock = new ManualClock();
  const { system } = setup(t, "thread", { clock });
  const rogue = await system.spawn<RogueProtocol>(ROGUE, { host: "thread", args: {} });
  await system.ask(rogue, "leaveHandle", null);
  let isDown = false;
  const stop = system.stop(rogue).then(() => {
    isDown = true;
  });
  while (!isDown) {
    // Time moves only once the actor is parked and its thread should be ending.
    if (clock.numPending > 2) clock.advance(2000);
    await new Promise(setImmediate);
  }
  await stop;
});

test("buffers are moved when asked, there and back", async (t) => {
  const { system, spawnProbe } = setup(t, "thread");
  const probe = await spawnProbe();
  const value = new Float32Array([1, 2, 3]);
  const answer = system.ask(probe, "echoMoved", value, { transfer: [value.buffer] });
  assert.equal(value.byteLength, 0);
  assert.deepEqual(await answer, new Float32Array([1, 2, 3]));
});

test("a message that cannot be cloned is refused at the sender and takes no room; an answer fails its ask", async (t) => {
  const { system, spawnProbe } = setup(t, "thread");
  const probe = await spawnProbe();
  await assert.rejects(
    system.ask(probe, "echo", () => 1),
    coded("invalid_request"),
  );
  assert.equal(system.inspect().actors[0]?.mailbox.numMessages, 0);
  const rogue = await system.spawn<RogueProtocol>(ROGUE, { host: "thread", args: {} });
  await assert.rejects(system.ask(rogue, "answerWith", "function"), coded("internal"));
  assert.equal(await system.ask(rogue, "numLoops", null), 0);
});

test("what cannot be started on a thread fails the start and leaves no thread", async (t) => {
  const { system } = setup(t, "thread");
  const host = "thread";
  const missing = new URL("./no-such-actor.ts", import.meta.url);
  await assert.rejects(system.spawn(missing, { host, args: null }), coded("actor_init_failed"));
  const noActor = new URL("../runtime/latch.ts", import.meta.url);
  await assert.rejects(system.spawn(noActor, { host, args: null }), coded("actor_init_failed"));
  await assert.rejects(system.spawn(PROBE, { host, args: { stopped: () => 1 } }), coded("actor_init_failed"));
  const inlineOnly = defineActor<RogueProtocol, null, null>({ init: () => null, handlers: {} as never });
  await assert.rejects(system.spawn(inlineOnly, { host, args: null }), (error) => {
    return coded("actor_init_failed")(error) && coded("invalid_config")((error as TroupeError).cause);
  });
  assert.deepEqual(system.inspect().actors, []);
});

test("order holds between threads across a restart: nothing for the dead incarnation reaches the next", async (t) => {
  const { system, spawnProbe } = setup(t, "thread");
  const [sender, receiver] = [await spawnProbe(), await spawnProbe({ restart: "permanent" })];
  const restarted = nextEvent(system, "restarted");
  const batch = (from: number): void => void system.tell(sender, "sendMany", { to: receiver, from, num: 50 });
  for (let from = 0; from < 1000; from += 50) {
    batch(from);
    if (from === 500) system.tell(receiver, "crash", "in the middle");
    await system.ask(sender, "echo", null);
  }
  await restarted;
  for (let from = 1000; from < 1500; from += 50) batch(from);
  await system.ask(sender, "askOther", receiver);
  const history = await system.ask(receiver, "history", null);
  assert.ok(history.length >= 500);
  assert.deepEqual(
    history,
    Array.from({ length: history.length }, (_, n) => 1500 - history.length + n),
  );
});

test("a thread that starts later knows who is down at that moment", async (t) => {
  const clock = new ManualClock();
  const { system, spawnProbe } = setup(t, "thread", { clock });
  const first = await spawnProbe({ restart: "permanent" });
  const restarting = nextEvent(system, "restarting");
  system.tell(first, "crash", "and wait for its backoff");
  await restarting;
  const second = await spawnProbe();
  assert.equal((await system.ask(second, "askOther", first)).code, "actor_down");
  const restarted = nextEvent(system, "restarted");
  clock.advance(10);
  await restarted;
  assert.equal((await system.ask(second, "askOther", first)).code, null);
});
