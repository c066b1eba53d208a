import assert from "node:assert/strict";
import { test } from "node:test";
import type { Timer } from "../../src/core/clock.ts";
import { ManualClock } from "../../src/core/manual-clock.ts";
import type { StageFrame } from "../../src/protocol/stage-frame.ts";
import { MAX_STAGE_VIEWERS, STAGE_INTERVAL_MS } from "../../src/serving/routes/stage.ts";
import { stepTime } from "../scheduling/step-figures.ts";
import { FakeEngine } from "./fake-engine.ts";
import { startServer } from "./test-server.ts";

/** A viewer of the stage: its next events, and its leaving. */
async function watch(url: string): Promise<{ next(): Promise<string>; leave(): void; status: number }> {
  const abort = new AbortController();
  const response = await fetch(`${url}/stage`, { signal: abort.signal });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let pending = "";
  const next = async (): Promise<string> => {
    while (!pending.includes("\n\n")) {
      const { value, done } = await reader.read();
      if (done) return "end";
      pending += value;
    }
    const end = pending.indexOf("\n\n");
    const event = pending.slice(0, end);
    pending = pending.slice(end + 2);
    return event;
  };
  return { next, leave: () => abort.abort(), status: response.status };
}

function frameOf(event: string): StageFrame {
  return JSON.parse(event.replace(/^data: /, "")) as StageFrame;
}

/** Counts its looks. */
class WatchedEngine extends FakeEngine {
  numLooks = 0;
  override snapshot(): ReturnType<FakeEngine["snapshot"]> {
    this.numLooks++;
    return super.snapshot();
  }
}

test("a viewer gets everything first, then what is new, and nothing while nothing is", async (t) => {
  const [engine, clock] = [new WatchedEngine(), new StageClock()];
  const { url } = await startServer(t, { engine, clock });
  const viewer = await watch(url);
  const first = frameOf(await viewer.next());
  assert.deepEqual([first.num_pages, first.pages, first.steps], [100, [[0, 100, 0]], []]);
  assert.equal(first.state, "ready");
  assert.deepEqual(
    first.actors.map(({ name, num_messages }) => [name, num_messages]),
    [["edge", 3]],
  );

  await untilWaiting(clock, 1);
  clock.advance(STAGE_INTERVAL_MS);
  await untilWaiting(clock, 1);
  assert.equal(engine.numLooks, 2);
  engine.pages.fill(2, 10, 13);
  engine.pages[13] = 3;
  engine.steps = [stepTime({ step: 1, totalMs: 4, executeMs: 2.5, sampleMs: 1, numTokens: 8 })];
  clock.advance(STAGE_INTERVAL_MS);
  const second = frameOf(await viewer.next());
  assert.deepEqual(second.pages, [
    [10, 3, 2],
    [13, 1, 3],
  ]);
  assert.deepEqual(second.steps, [[1, 4, 2.5, 1, 8]]);
  assert.equal(second.at_ms - first.at_ms, 2 * STAGE_INTERVAL_MS);
  viewer.leave();
});

test("without a viewer the engine is not looked at", async (t) => {
  const [engine, clock] = [new WatchedEngine(), new StageClock()];
  const { url } = await startServer(t, { engine, clock });
  assert.equal(clock.numWaiting, 0);
  const viewer = await watch(url);
  await viewer.next();
  await untilWaiting(clock, 1);
  viewer.leave();
  await untilWaiting(clock, 0);
  clock.advance(10 * STAGE_INTERVAL_MS);
  assert.equal(engine.numLooks, 1);
});

test("viewers past the limit are told to come back, and a place is free again when one leaves", async (t) => {
  const clock = new StageClock();
  const { url } = await startServer(t, { clock });
  const viewers = [];
  for (let n = 0; n < MAX_STAGE_VIEWERS; n++) {
    const viewer = await watch(url);
    await viewer.next();
    viewers.push(viewer);
  }
  await untilWaiting(clock, MAX_STAGE_VIEWERS);
  const refused = await fetch(`${url}/stage`);
  assert.deepEqual([refused.status, refused.headers.get("retry-after")], [429, "1"]);
  await refused.arrayBuffer();
  viewers[0]!.leave();
  await untilWaiting(clock, MAX_STAGE_VIEWERS - 1);
  const next = await watch(url);
  assert.equal(next.status, 200);
  for (const viewer of [...viewers, next]) viewer.leave();
});

test("HEAD is answered at once and takes no viewer's place", async (t) => {
  const { url } = await startServer(t);
  for (let num = 0; num < MAX_STAGE_VIEWERS; num++) {
    const response = await fetch(`${url}/stage`, { method: "HEAD" });
    assert.equal(response.status, 200);
    assert.match(response.headers.get("content-type") ?? "", /^text\/event-stream/);
    assert.equal(await response.text(), "");
  }
  const viewer = await watch(url);
  assert.equal(viewer.status, 200);
  assert.ok(frameOf(await viewer.next()).num_pages > 0);
  viewer.leave();
});

test("a server that stops ends the stage", async (t) => {
  const clock = new StageClock();
  const { url, server } = await startServer(t, { clock });
  const viewer = await watch(url);
  await viewer.next();
  const closed = server.close();
  clock.advance(STAGE_INTERVAL_MS);
  assert.equal(await viewer.next().catch(() => "end"), "end");
  await closed;
});

/** Until so many viewers have looked and wait for the next time; the server itself has timers of its own. */
async function untilWaiting(clock: StageClock, numViewers: number): Promise<void> {
  while (clock.numWaiting !== numViewers) await new Promise(setImmediate);
}

class StageClock extends ManualClock {
  numWaiting = 0;
  override schedule(delayMs: number, callback: () => void): Timer {
    if (delayMs !== STAGE_INTERVAL_MS) return super.schedule(delayMs, callback);
    this.numWaiting++;
    let isOver = false;
    const end = (): void => {
      if (!isOver) this.numWaiting--;
      isOver = true;
    };
    const timer = super.schedule(delayMs, () => {
      end();
      callback();
    });
    return {
      cancel: () => {
        end();
        timer.cancel();
      },
    };
  }
}
