/** Promises that only hold up if they hold under load: the same on every host. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { actorRef } from "../../src/runtime/actor-types.ts";
import type { ProbeProtocol } from "./actors/probe-actor.ts";
import { newLatch, openLatch, untilOpen } from "./latch.ts";
import { PROBE, setup } from "./runtime-harness.ts";

/** What an ask may end with when its actor is killed at any moment. */
const CODES = ["actor_down", "actor_not_found", "mailbox_full", "deadline_exceeded", "cancelled"];

export function stressCases(host: string): void {
  for (const seed of [1, 2, 3]) {
    test(`${host}: every ask and stream settles, whenever its actor is killed (seed ${seed})`, async (t) => {
      const random = randomOf(seed);
      const { system } = setup(t, host);
      await system.supervise({
        kind: "supervisor",
        name: "tree",
        strategy: "one-for-one",
        intensity: { maxRestarts: 1000, windowMs: 60_000 },
        backoff: { minMs: 0, maxMs: 1, jitter: 1 },
        children: ["a", "b"].map((name) => ({
          name,
          host,
          module: PROBE,
          args: {},
          mailbox: { maxMessages: 32 },
        })),
      });
      const probes = ["a", "b"].map((name) => actorRef<ProbeProtocol>(name));
      const outcomes: Promise<string>[] = [];
      for (let step = 0; step < 300; step++) {
        const [probe, other] = random() < 0.5 ? probes : [...probes].reverse();
        const dice = random();
        const deadlineMs = 250;
        if (dice < 0.03) system.tell(probe!, "crash", "a kill point");
        else if (dice < 0.5) outcomes.push(codeOf(system.ask(probe!, "echo", step, { deadlineMs })));
        else if (dice < 0.8) outcomes.push(codeOf(system.ask(probe!, "askOther", other!, { deadlineMs })));
        else if (dice < 0.9) {
          const signal = AbortSignal.timeout(Math.floor(random() * 3));
          outcomes.push(codeOf(system.ask(probe!, "echo", step, { deadlineMs, signal })));
        } else outcomes.push(codeOf(drain(system.stream(probe!, "count", { to: 20 }, { window: 2 }))));
        if (random() < 0.1) await new Promise(setImmediate);
      }
      const codes = await Promise.all(outcomes);
      assert.deepEqual(
        [...new Set(codes)].filter((code) => !["ok", "stream_broken", ...CODES].includes(code)),
        [],
      );
      assert.ok(codes.includes("ok"));
      // what a killed actor had asked in turn may meet its deadline a moment later; a call that never settles times out here
      while (system.inspect().numPendingCalls > 0) await new Promise(setImmediate);
    });
  }

  test(`${host}: a flood at a slow actor stays inside its bounds, and timers go on`, async (t) => {
    const { system, spawnProbe } = setup(t, host);
    const maxBytes = 64 * 1024;
    const probe = await spawnProbe({ mailbox: { maxMessages: 1_000_000, maxBytes } });
    const [entered, release] = [newLatch(), newLatch()];
    const held = system.ask(probe, "hold", { entered, release });
    await untilOpen(entered);
    let numAccepted = 0;
    for (let n = 0; n < 1_000_000; n++) if (system.tell(probe, "add", n)) numAccepted++;
    const { mailbox } = system.inspect().actors[0]!;
    assert.equal(numAccepted, maxBytes / 16);
    assert.equal(mailbox.numMessages, numAccepted);
    assert.ok(mailbox.numBytes <= maxBytes);
    assert.equal(system.inspect().numDeadLetters["mailbox-full"], 1_000_000 - numAccepted);
    // Between the release and the last message the thread of the system, inline the actor's too, still runs timers.
    let numTicks = 0;
    const ticking = setInterval(() => numTicks++, 1);
    openLatch(release);
    await held;
    const history = await untilRoom(() => system.ask(probe, "history", null));
    clearInterval(ticking);
    assert.equal(history.length, numAccepted);
    assert.ok(numTicks > 0);
  });
}

/** The first ask that finds room; between two tries the event loop turns. */
async function untilRoom<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof TroupeError && error.overloaded)) throw error;
      await new Promise(setImmediate);
    }
  }
}

async function drain(items: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of items);
}

async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "ok";
  } catch (error) {
    return error instanceof TroupeError ? error.code : String(error);
  }
}

/** mulberry32 */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
