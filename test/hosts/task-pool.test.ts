import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { TaskPool, type TaskPoolOptions } from "../../src/hosts/task-pool.ts";

type Tasks = typeof import("./task-pool-worker.ts");

describe("task pool", () => {
  const pools: { close(): Promise<void> }[] = [];
  afterEach(async () => {
    await Promise.all(pools.splice(0).map((pool) => pool.close()));
  });
  function start(options: Partial<TaskPoolOptions> = {}): TaskPool<Tasks> {
    const module = new URL("./task-pool-worker.ts", import.meta.url);
    const pool = new TaskPool<Tasks>({ name: "test pool", module, threads: 1, maxQueued: 8, ...options });
    pools.push(pool);
    return pool;
  }

  it("runs tasks by name, with the module's data", async () => {
    const pool = start({ threads: 2, workerData: { modelDir: "x" } });
    assert.deepEqual(await Promise.all([1, 2, 3, 4].map((n) => pool.run("double", n))), [2, 4, 6, 8]);
    assert.deepEqual(await pool.run("data", null), { modelDir: "x" });
  });

  it("brings errors over with code, details and cause", async () => {
    await assert.rejects(start().run("failCoded", 7), (error: Error & { code: string; details: unknown }) => {
      assert.deepEqual(
        [error.code, error.message, error.details],
        ["prompt_too_long", "Too long.", { limit: 7 }],
      );
      assert.ok(error.cause instanceof RangeError);
      return true;
    });
    await assert.rejects(start().run("failForeign", "odd"), { code: "internal", message: /odd/ });
  });

  it("refuses what its queue cannot hold, and takes tasks again afterwards", async () => {
    const pool = start({ maxQueued: 2 });
    const gate = new SharedArrayBuffer(4);
    const running = [1, 2, 3].map(() => pool.run("wait", gate));
    assert.deepEqual([pool.numRunning, pool.numQueued], [1, 2]);
    await assert.rejects(pool.run("double", 1), {
      code: "queue_full",
      message: /2 tasks/,
      details: { limit: 2 },
    });
    await open(gate, running);
    assert.deepEqual([pool.numRunning, pool.numQueued], [0, 0]);
    assert.equal(await pool.run("double", 1), 2);
  });

  it("gives one worker several tasks at once when they wait elsewhere", async () => {
    const pool = start({ tasksPerThread: 2 });
    const gate = new SharedArrayBuffer(4);
    const waiting = pool.run("wait", gate);
    assert.equal(await pool.run("double", 4), 8);
    await open(gate, [waiting]);
  });

  it("fails the task of a worker that dies, and goes on with another", async () => {
    const pool = start();
    const results = await Promise.allSettled([pool.run("exit", 3), pool.run("double", 5)]);
    assert.equal(results[0].status === "rejected" && results[0].reason.code, "actor_down");
    assert.deepEqual(results[1], { status: "fulfilled", value: 10 });
    assert.equal(await pool.run("double", 6), 12);
  });

  it("goes on after a worker died between tasks", async () => {
    const pool = start();
    const first = await pool.run("throwLater", null);
    // The dying worker may still take tasks; in the end another one answers.
    for (let current = first; current === first; ) {
      current = await pool.run("thread", null).catch((error) => {
        assert.equal(error.code, "actor_down");
        return first;
      });
    }
    assert.equal(await pool.run("double", 3), 6);
  });

  it("leaves the event loop of an idle worker running", async () => {
    const gate = new SharedArrayBuffer(4);
    const waiting = start().run("wait", gate);
    await start().run("openLater", gate);
    assert.equal(await waiting, 1);
  });

  it("reports values that cannot be sent", async () => {
    const pool = start();
    await assert.rejects(pool.run("data", (() => 1) as never), {
      code: "internal",
      message: /sent between threads/,
    });
    await assert.rejects(pool.run("unsendable", null), {
      code: "actor_down",
      message: /could not be cloned/,
    });
    assert.equal(await pool.run("double", 3), 6);
  });

  it("settles every task when the module cannot be loaded", async () => {
    const pool = start({ module: new URL("./broken-worker.ts", import.meta.url) });
    const results = await Promise.allSettled([1, 2, 3].map((n) => pool.run("double", n)));
    for (const result of results) {
      assert.ok(result.status === "rejected");
      assert.match(result.reason.code, /actor_down|actor_init_failed/);
      assert.match(result.reason.message, /broken at load/);
    }
  });

  it("lets tasks in flight end when it closes, and takes no more", async () => {
    const pool = start();
    const gate = new SharedArrayBuffer(4);
    const waiting = pool.run("wait", gate);
    const closed = pool.close();
    await assert.rejects(pool.run("double", 1), { code: "not_ready" });
    await open(gate, [waiting]);
    await closed;
    await pool.close();
  });
});

/** Opens the gate until everybody who waits at it, now or a little later, has passed. */
async function open(gate: SharedArrayBuffer, waiting: readonly Promise<number>[]): Promise<void> {
  Atomics.store(new Int32Array(gate), 0, 1);
  Atomics.notify(new Int32Array(gate), 0);
  assert.deepEqual(
    await Promise.all(waiting),
    waiting.map(() => 1),
  );
}
