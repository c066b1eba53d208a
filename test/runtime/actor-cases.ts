/** What every host promises alike. Each host's test file runs all of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "../../src/core/manual-clock.ts";
import { encodeError } from "../../src/errors/error-codec.ts";
import { ERROR_CODES, type ErrorCode } from "../../src/errors/error-codes.ts";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { type ActorRef, actorRef } from "../../src/runtime/actor-types.ts";
import type { PoolProtocol } from "./actors/pool-actor.ts";
import type { ProbeProtocol } from "./actors/probe-actor.ts";
import { isOpen, newLatch, openLatch, untilOpen } from "./latch.ts";
import { coded, nextEvent, POOL, setup } from "./runtime-harness.ts";

export function actorCases(host: string): void {
  messageCases(host);
  errorCases(host);
  streamCases(host);
  mailboxCases(host);
  lifeCases(host);
}

function messageCases(host: string): void {
  test(`${host}: tells are handled in the order they were sent`, async (t) => {
    const { system, spawnProbe } = setup(t, host);
    const probe = await spawnProbe();
    const sent = Array.from({ length: 900 }, (_, n) => n);
    for (const n of sent) assert.equal(system.tell(probe, "add", n), true);
    assert.deepEqual(await system.ask(probe, "history", null), sent);
  });

  test(`${host}: an ask is answered with what the handler returns`, async (t) => {
    const { system, spawnProbe } = setup(t, host);
    const probe = await spawnProbe({ name: "probe" });
    const value = { ids: new Int32Array([1, 2, 3]), nested: [{ a: null }], text: "é" };
    assert.deepEqual(await system.ask(probe, "echo", value), value);
    assert.deepEqual(await system.ask(actorRef<ProbeProtocol>("probe"), "identity", null), {
      incarnation: 1,
      name: "probe",
    });
  });

  test(`${host}: many asks at once each get their own answer`, async (t) => {
    const { system, spawnProbe } = setup(t, host);
    const probe = await spawnProbe();
    const answers = await Promise.all(Array.from({ length: 500 }, (_, n) => system.ask(probe, "echo", n)));
    assert.deepEqual(
      answers,
      Array.from({ length: 500 }, (_, n) => n),
    );
  });

  test(`${host}: the next message waits for an async handler, up to the actor's concurrency`, async (t) => {
    const { system, spawnProbe } = setup(t, host);
    const probe = await spawnProbe();
    const [entered, release] = [newLatch(), newLatch()];
    const held = system.ask(probe, "hold", { entered, release });
    system.tell(probe, "add", 1);
    await untilOpen(entered);
    assert.equal(system.inspect().actors[0]?.numHandled, 1);
    openLatch(release);
    assert.equal(await held, "released");
    assert.deepEqual(await system.ask(probe, "history", null), [1]);

    const pool = await system.spawn<PoolProtocol>(POOL, { host, args: null });
    const jobs = [0, 1, 2].map(() => ({ entered: newLatch(), release: newLatch() }));
    const done = jobs.map((job) => system.ask(pool, "work", job));
    await Promise.all([untilOpen(jobs[0]!.entered), untilOpen(jobs[1]!.entered)]);
    assert.equal(isOpen(jobs[2]!.entered), false);
    openLatch(jobs[0]!.release);
    await untilOpen(jobs[2]!.entered);
    openLatch(jobs[1]!.release);
    openLatch(jobs[2]!.release);
    assert.equal(Math.max(...(await Promise.all(done))), 2);
  });

  test(`${host}: an ask that meets its deadline fails, and its handler's signal aborts`, async (t) => {
    const clock = new ManualClock();
    const { system, spawnProbe } = setup(t, host, { clock });
    const probe = await spawnProbe();
    const [entered, cancelled] = [newLatch(), newLatch()];
    const ask = system.ask(probe, "untilCancelled", { entered, cancelled }, { deadlineMs: 50 });
    await untilOpen(entered);
    clock.advance(49);
    assert.equal(system.inspect().numPendingCalls, 1);
    clock.advance(1);
    await assert.rejects(ask, coded("deadline_exceeded"));
    await untilOpen(cancelled);
    assert.equal(system.inspect().numPendingCalls, 0);
  });

  test(`${host}: aborting an ask's signal fails it and cancels the handler; a late answer is ignored`, async (t) => {
    const { system, spawnProbe } = setup(t, host);
    const probe = await spawnProbe();
    const controller = new AbortController();
    const [entered, cancelled] = [newLatch(), newLatch()];
    const ask = system.ask(probe, "untilCancelled", { entered, cancelled }, { signal: controller.signal });
    await untilOpen(entered);
    controller.abort();
    await assert.rejects(ask, coded("cancelled"));
    await untilOpen(cancelled);
    await assert.rejects(system.ask(probe, "echo", 1, { signal: AbortSignal.abort() }), coded("cancelled"));
    assert.equal(await system.ask(probe, "echo", 2), 2);
  });

  test(`${host}: actors tell, ask and stream from each other in order`, async (t) => {
    const { system, spawnProbe } = setup(t, host);
    const [a, b, c] = await Promise.all([spawnProbe(), spawnProbe(), spawnProbe()]);
    system.tell(a!, "sendMany", { to: c!, from: 0, num: 400 });
    system.tell(b!, "sendMany", { to: c!, from: 1000, num: 400 });
    // Each has sent all of it before it answers, and its question to c comes behind.
    await system.ask(a!, "askOther", c!);
    await system.ask(b!, "askOther", c!);
    const history = await system.ask(c!, "history", null);
    const ofA = history.filter((n) => n < 1000);
    const ofB = history.filter((n) => n >= 1000);
    assert.deepEqual(
      [ofA, ofB],
      [0, 1000].map((from) => Array.from({ length: 400 }, (_, n) => from + n)),
    );
    assert.equal(await system.ask(a!, "sumOther", { of: b!, to: 100 }), 4950);
  });

  test(`${host}: timers run in the actor's turn and end with it`, async (t) => {
    const { system, spawnProbe } = setup(t, host);
    const probe = await spawnProbe();
    await system.ask(probe, "setTimer", { delayMs: 0, every: false });
    await system.ask(probe, "setTimer", { delayMs: 1, every: true });
    let ticks: readonly number[] = [];
    while (ticks.length < 4) ticks = await system.ask(probe, "history", null);
    assert.deepEqual(ticks.slice(0, 4), [0, 1, 2, 3]);
  });

  test(`${host}: log records reach the system's sink as plain data`, async (t) => {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    const { system, spawnProbe } = setup(t, host, { log: resolve });
    const probe = await spawnProbe({ name: "chatty" });
    system.tell(probe, "log", "hello");
    const record = (await promise) as {
      actor: string;
      level: string;
      message: string;
      fields: { n: number };
    };
    assert.deepEqual(
      [record.actor, record.level, record.message, record.fields.n],
      ["chatty", "warn", "hello", 1],
    );
  });
}

function errorCases(host: string): void {
  test(`${host}: a coded error of an ask handler is the answer, and the actor lives`, async (t) => {
    const { system, spawnProbe } = setup(t, host);
    const probe = await spawnProbe();
    await assert.rejects(system.ask(probe, "refuse", "coded"), (error) => {
      assert.ok(error instanceof TroupeError);
      assert.equal(error.code, "queue_full");
      assert.equal(error.retryable, true);
      assert.deepEqual(error.details, { limit: 3 });
      assert.ok(error.cause instanceof TypeError);
      return true;
    });
    assert.equal((await system.ask(probe, "identity", null)).incarnation, 1);
  });

  test(`${host}: every code that a handler throws reaches its asker`, async (t) => {
    const { system, spawnProbe } = setup(t, host);
    const probe = await spawnProbe();
    const codes = (Object.keys(ERROR_CODES) as ErrorCode[]).filter((code) => code !== "internal");
    const thrown = codes.map(async (code) => {
      const error = encodeError(new TroupeError(code, "as it was", { details: { code } }));
      const got = await system.ask(probe, "rethrow", error).catch((caught: unknown) => caught);
      assert.ok(got instanceof TroupeError);
      assert.deepEqual([got.code, got.details], [code, { code }]);
    });
    await Promise.all(thrown);
  });

  test(`${host}: any other throw is a crash: the asker gets actor_down, the supervisor restarts`, async (t) => {
    for (const how of ["native", "internal"] as const) {
      const { system, spawnProbe } = setup(t, host);
      const probe = await spawnProbe({ restart: "permanent" });
      const down = nextEvent(system, "down");
      const restarted = nextEvent(system, "restarted");
      await assert.rejects(system.ask(probe, "refuse", how), coded("actor_down"));
      const { reason, incarnation } = await down;
      assert.equal(incarnation, 1);
      assert.ok(reason.kind === "crash");
      assert.match(reason.error.message, how === "native" ? /a bug/ : /an invariant/);
      await restarted;
      assert.equal((await system.ask(probe, "identity", null)).incarnation, 2);
    }
  });

  test(`${host}: a crash fails the other handlers' callers at once, and is a Down when those handlers have ended`, async (t) => {
    const { system } = setup(t, host);
    const pool = await system.spawn<PoolProtocol>(POOL, { host, args: null, restart: "temporary" });
    const job = { entered: newLatch(), release: newLatch() };
    const work = system.ask(pool, "work", job);
    await untilOpen(job.entered);
    const down = nextEvent(system, "down");
    system.tell(pool, "crash", null);
    await assert.rejects(work, coded("actor_down"));
    assert.equal(system.inspect().actors[0]?.state, "running");
    openLatch(job.release);
    assert.equal((await down).reason.kind, "crash");
  });

  test(`${host}: a handler that outlives its crashed actor by 5 s does not hold up its end`, async (t) => {
    if (host === "thread") return; // a thread keeps real time
    const clock = new ManualClock();
    const { system } = setup(t, host, { clock });
    const pool = await system.spawn<PoolProtocol>(POOL, { host, args: null, restart: "temporary" });
    const job = { entered: newLatch(), release: newLatch() };
    const work = system.ask(pool, "work", job);
    await untilOpen(job.entered);
    const down = nextEvent(system, "down");
    system.tell(pool, "crash", null);
    await assert.rejects(work, coded("actor_down"));
    clock.advance(4_999);
    assert.equal(system.inspect().actors[0]?.state, "running");
    clock.advance(1);
    assert.equal((await down).reason.kind, "crash");
    openLatch(job.release);
  });

  test(`${host}: a throw in a tell handler or a timer is a crash`, async (t) => {
    const { system, spawnProbe } = setup(t, host);
    for (const kind of ["crash", "crashLater"] as const) {
      const probe = await spawnProbe();
      const down = nextEvent(system, "down");
      system.tell(probe, kind, "out of order");
      const { reason } = await down;
      assert.ok(reason.kind === "crash");
      assert.match(reason.error.message, /out of order/);
      assert.ok(reason.error.cause instanceof RangeError);
    }
  });

  test(`${host}: unknown kinds, unknown actors and dead actors are coded errors and counted dead letters`, async (t) => {
    const { system, spawnProbe } = setup(t, host);
    const probe = await spawnProbe({ restart: "transient" });
    type Wrong = {
      nothing: { message: null; reply: null };
      nobody: { message: null };
      toString: { message: null; reply: null };
    };
    const wrong = probe as unknown as ActorRef<Wrong>;
    await assert.rejects(system.ask(wrong, "nothing", null), coded("no_handler"));
    await assert.rejects(system.ask(wrong, "toString", null), coded("no_handler"));
    const letter = nextEvent(system, "dead-letter");
    system.tell(wrong, "nobody", null);
    assert.deepEqual(await letter, { actor: probe.actor, kind: "nobody", reason: "no-handler", count: 1 });
    const ghost = actorRef<ProbeProtocol>("ghost");
    await assert.rejects(system.ask(ghost, "echo", 1), coded("actor_not_found"));
    assert.equal(system.tell(ghost, "add", 1), false);
    await assert.rejects(
      system.stream(ghost, "count", { to: 1 })[Symbol.asyncIterator]().next(),
      coded("actor_not_found"),
    );
    const down = nextEvent(system, "down");
    system.tell(probe, "stopSelf", null);
    assert.equal((await down).reason.kind, "normal");
    const { numDeadLetters } = system.inspect();
    assert.equal(numDeadLetters["no-handler"], 1);
    assert.equal(numDeadLetters["actor-not-found"], 1);
  });

  test(`${host}: an actor's asks to unknown and dead actors settle too`, async (t) => {
    const { system, spawnProbe } = setup(t, host);
    const probe = await spawnProbe();
    assert.equal((await system.ask(probe, "askOther", actorRef("ghost"))).code, "actor_not_found");
    const other = await spawnProbe();
    assert.equal((await system.ask(probe, "askOther", other)).code, null);
    await system.stop(other);
    const { code } = await system.ask(probe, "askOther", other);
    assert.ok(code === "actor_down" || code === "actor_not_found");
  });
}

function streamCases(host: string): void {
  test(`${host}: a stream yields every item in order, whatever its window`, async (t) => {
    const { system, spawnProbe } = setup(t, host);
    const probe = await spawnProbe();
    for (const window of [1, 2, 3, 16, 1000]) {
      const got: number[] = [];
      for await (const n of system.stream(probe, "count", { to: 50 }, { window })) got.push(n);
      assert.deepEqual(
        got,
        Array.from({ length: 50 }, (_, n) => n),
      );
    }
    assert.equal(system.inspect().numPendingCalls, 0);
  });

  test(`${host}: a producer never runs further ahead than the window`, async (t) => {
    const { system, spawnProbe } = setup(t, host);
    const probe = await spawnProbe();
    const iterator = system.stream(probe, "count", { to: 1000 }, { window: 8 })[Symbol.asyncIterator]();
    for (let read = 1; read <= 40; read++) {
      assert.equal((await iterator.next()).value, read - 1);
      const produced = await system.ask(probe, "numProduced", null);
      assert.ok(produced <= read + 8, `${produced} produced after ${read} were read`);
    }
    await iterator.return?.();
  });

  test(`${host}: leaving the loop cancels the producer`, async (t) => {
    const { system, spawnProbe } = setup(t, host);
    const probe = await spawnProbe();
    const closed = newLatch();
    for await (const n of system.stream(probe, "count", { to: 1_000_000, closed }, { window: 4 })) {
      if (n === 10) break;
    }
    await untilOpen(closed);
    assert.ok((await system.ask(probe, "numProduced", null)) <= 16);
    assert.equal(system.inspect().numPendingCalls, 0);
  });

  test(`${host}: cancelling reaches a producer that waits for its next item`, async (t) => {
    const { system, spawnProbe } = setup(t, host);
    const probe = await spawnProbe();
    const [entered, closed] = [newLatch(), newLatch()];
    const controller = new AbortController();
    const iterator = system
      .stream(probe, "waitForever", { entered, closed }, { signal: controller.signal })
      [Symbol.asyncIterator]();
    const next = iterator.next();
    await untilOpen(entered);
    assert.equal(await system.ask(probe, "echo", "still serving"), "still serving");
    controller.abort();
    await assert.rejects(next, coded("cancelled"));
    await untilOpen(closed);
    assert.deepEqual(await iterator.next(), { done: true, value: undefined });
  });

  test(`${host}: a producer's coded error arrives after the items before it, and the actor lives`, async (t) => {
    const { system, spawnProbe } = setup(t, host);
    const probe = await spawnProbe();
    const got: number[] = [];
    await assert.rejects(
      async () => {
        for await (const n of system.stream(probe, "count", { to: 9, failAt: 5 })) got.push(n);
      },
      (error) => error instanceof TroupeError && error.code === "cancelled" && error.details.n === 5,
    );
    assert.deepEqual(got, [0, 1, 2, 3, 4]);
    assert.equal((await system.ask(probe, "identity", null)).incarnation, 1);
  });

  test(`${host}: a stream breaks when its producer dies`, async (t) => {
    const { system, spawnProbe } = setup(t, host);
    const probe = await spawnProbe();
    const [entered, closed] = [newLatch(), newLatch()];
    const next = system.stream(probe, "waitForever", { entered, closed })[Symbol.asyncIterator]().next();
    await untilOpen(entered);
    system.tell(probe, "crash", "gone");
    await assert.rejects(next, coded("stream_broken"));
  });

  test(`${host}: a window must be a positive integer`, async (t) => {
    const { system, spawnProbe } = setup(t, host);
    const probe = await spawnProbe();
    for (const window of [0, -1, 1.5, Number.NaN]) {
      assert.throws(() => system.stream(probe, "count", { to: 1 }, { window }), coded("invalid_request"));
    }
  });
}

function mailboxCases(host: string): void {
  test(`${host}: a full mailbox refuses tells and asks at once, and takes messages again when it has room`, async (t) => {
    const { system, spawnProbe } = setup(t, host);
    const probe = await spawnProbe({ mailbox: { maxMessages: 4 } });
    const [entered, release] = [newLatch(), newLatch()];
    const held = system.ask(probe, "hold", { entered, release });
    await untilOpen(entered);
    const accepted = Array.from({ length: 6 }, (_, n) => system.tell(probe, "add", n));
    assert.deepEqual(accepted, [true, true, true, true, false, false]);
    await assert.rejects(system.ask(probe, "echo", 1), coded("mailbox_full"));
    const { mailbox } = system.inspect().actors[0]!;
    assert.equal(mailbox.numMessages, 4);
    openLatch(release);
    await held;
    while (system.inspect().actors[0]!.mailbox.numMessages > 0) await new Promise(setImmediate);
    assert.deepEqual(await system.ask(probe, "history", null), [0, 1, 2, 3]);
    assert.equal(system.tell(probe, "add", 9), true);
    assert.equal(system.inspect().numDeadLetters["mailbox-full"], 2);
  });

  test(`${host}: a mailbox is bounded in bytes as well`, async (t) => {
    const { system, spawnProbe } = setup(t, host);
    const probe = await spawnProbe({ mailbox: { maxBytes: 100_000 } });
    const [entered, release] = [newLatch(), newLatch()];
    const held = system.ask(probe, "hold", { entered, release });
    await untilOpen(entered);
    const part = new Uint8Array(40_000);
    const asks = [0, 1].map(() => system.ask(probe, "echo", part));
    await assert.rejects(system.ask(probe, "echo", part), coded("mailbox_full"));
    openLatch(release);
    await Promise.all([held, ...asks]);
    assert.equal(system.inspect().actors[0]?.mailbox.numBytes, 0);
    await assert.rejects(system.ask(probe, "echo", new Uint8Array(200_000)), coded("mailbox_full"));
  });

  test(`${host}: what waits when an actor dies settles or is counted, and never reaches the next incarnation`, async (t) => {
    const { system, spawnProbe } = setup(t, host);
    const probe = await spawnProbe({ restart: "permanent" });
    const restarted = nextEvent(system, "restarted");
    const [entered, release] = [newLatch(), newLatch()];
    const held = system.ask(probe, "hold", { entered, release });
    await untilOpen(entered);
    system.tell(probe, "crash", "now");
    for (let n = 0; n < 3; n++) system.tell(probe, "add", n);
    const waiting = system.ask(probe, "echo", 1);
    openLatch(release);
    await held;
    await assert.rejects(waiting, coded("actor_down"));
    await restarted;
    assert.deepEqual(await system.ask(probe, "history", null), []);
    const { "actor-stopping": dropped, "actor-down": lost } = system.inspect().numDeadLetters;
    assert.equal(dropped + lost, 3);
  });
}

function lifeCases(host: string): void {
  test(`${host}: a watch gives exactly one Down, with incarnation and reason`, async (t) => {
    const { system, spawnProbe } = setup(t, host);
    const [watcher, watched] = [await spawnProbe(), await spawnProbe({ restart: "permanent" })];
    const seen = newLatch();
    await system.ask(watcher, "watch", { ref: watched, seen });
    const downs: unknown[] = [];
    system.watch(watched, ({ incarnation, reason }) => downs.push([incarnation, reason.kind]));
    system.watch(watched, () => downs.push("cancelled")).cancel();
    for (let n = 0; n < 2; n++) {
      const restarted = nextEvent(system, "restarted");
      system.tell(watched, "crash", "again");
      await restarted;
    }
    await untilOpen(seen);
    assert.deepEqual(await system.ask(watcher, "downs", null), [
      { actor: watched.actor, incarnation: 1, reason: "crash", code: "internal" },
    ]);
    assert.deepEqual(downs, [[1, "crash"]]);
  });

  test(`${host}: watching what does not run gives a Down at once`, async (t) => {
    const { system, spawnProbe } = setup(t, host);
    const watcher = await spawnProbe();
    const seen = newLatch();
    await system.ask(watcher, "watch", { ref: actorRef<ProbeProtocol>("ghost"), seen });
    await untilOpen(seen);
    assert.deepEqual(await system.ask(watcher, "downs", null), [
      { actor: "ghost", incarnation: 0, reason: "not-running", code: null },
    ]);
  });

  test(`${host}: a failing init fails the start with its cause and leaves nothing behind`, async (t) => {
    const { system, spawnProbe } = setup(t, host);
    await assert.rejects(spawnProbe({ name: "x", args: { initFails: true } }), (error) => {
      assert.ok(error instanceof TroupeError);
      assert.equal(error.code, "actor_init_failed");
      assert.match(error.message, /no such weights/);
      return true;
    });
    assert.deepEqual(system.inspect().actors, []);
    const again = await spawnProbe({ name: "x" });
    assert.equal(await system.ask(again, "echo", 1), 1);
  });

  test(`${host}: an init over its limit fails the start`, async (t) => {
    const clock = new ManualClock();
    const { spawnProbe } = setup(t, host, { clock });
    const [initEntered, initWaits] = [newLatch(), newLatch()];
    const spawned = spawnProbe({ args: { initEntered, initWaits }, initTimeoutMs: 100 });
    await untilOpen(initEntered);
    clock.advance(100);
    openLatch(initWaits);
    await assert.rejects(spawned, coded("actor_init_failed"));
  });

  test(`${host}: messages sent while an actor starts wait for its init`, async (t) => {
    const { system, spawnProbe } = setup(t, host);
    const [initEntered, initWaits] = [newLatch(), newLatch()];
    const spawned = spawnProbe({ name: "slow", args: { initEntered, initWaits } });
    const slow = actorRef<ProbeProtocol>("slow");
    await new Promise(setImmediate);
    for (let n = 0; n < 3; n++) assert.equal(system.tell(slow, "add", n), true);
    await untilOpen(initEntered);
    system.tell(slow, "add", 3);
    openLatch(initWaits);
    await spawned;
    assert.deepEqual(await system.ask(slow, "history", null), [0, 1, 2, 3]);
  });

  test(`${host}: stopping a busy actor waits for its handler, which sees the request, then runs onStop`, async (t) => {
    const { system, spawnProbe } = setup(t, host);
    const stopped = newLatch();
    const probe = await spawnProbe({ args: { stopped } });
    const [entered, release] = [newLatch(), newLatch()];
    const held = system.ask(probe, "hold", { entered, release });
    await untilOpen(entered);
    const waiting = system.ask(probe, "echo", 1);
    const stop = system.stop(probe);
    await assert.rejects(waiting, coded("actor_down"));
    assert.equal(isOpen(stopped), false);
    openLatch(release);
    assert.equal(await held, "released");
    await stop;
    assert.equal(isOpen(stopped), true);
    await assert.rejects(system.ask(probe, "echo", 1), coded("actor_not_found"));
  });

  test(`${host}: a handler that waits sees the stop in its call's signal, and may still answer`, async (t) => {
    const { system, spawnProbe } = setup(t, host);
    const probe = await spawnProbe();
    const [entered, cancelled] = [newLatch(), newLatch()];
    const ask = system.ask(probe, "untilCancelled", { entered, cancelled });
    await untilOpen(entered);
    await Promise.all([system.stop(probe), ask]);
    assert.equal(isOpen(cancelled), true);
    assert.equal(await ask, null);
  });

  test(`${host}: a stop cuts short a start`, async (t) => {
    const { system, spawnProbe } = setup(t, host);
    const [initEntered, initWaits, stopped] = [newLatch(), newLatch(), newLatch()];
    const spawned = spawnProbe({ args: { initEntered, initWaits, stopped } });
    await untilOpen(initEntered);
    const rejected = assert.rejects(spawned, coded("system_stopped"));
    const shutdown = system.shutdown();
    openLatch(initWaits);
    await Promise.all([rejected, shutdown]);
    assert.equal(isOpen(stopped), true);
  });

  test(`${host}: shutdown settles every open call with system_stopped`, async (t) => {
    const { system, spawnProbe } = setup(t, host);
    const probe = await spawnProbe();
    const [entered, cancelled, closed] = [newLatch(), newLatch(), newLatch()];
    const [holding, release] = [newLatch(), newLatch()];
    const stream = system.stream(probe, "waitForever", { entered, closed })[Symbol.asyncIterator]().next();
    await untilOpen(entered);
    const held = system.ask(probe, "hold", { entered: holding, release });
    await untilOpen(holding);
    const waiting = system.ask(probe, "untilCancelled", { entered: newLatch(), cancelled });
    const rejections = Promise.all(
      [stream, waiting].map((call) => assert.rejects(call, coded("system_stopped"))),
    );
    const shutdown = system.shutdown();
    await rejections;
    openLatch(release);
    await held;
    await shutdown;
    assert.equal(system.inspect().state, "stopped");
    await assert.rejects(system.ask(probe, "echo", 1), coded("system_stopped"));
    assert.equal(system.tell(probe, "add", 1), false);
    await assert.rejects(spawnProbe(), coded("system_stopped"));
    assert.equal(system.inspect().numPendingCalls, 0);
  });
}
