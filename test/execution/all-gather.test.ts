import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { AllGather, type AllGatherMemory, createAllGatherMemory } from "../../src/execution/all-gather.ts";
import { columnsOf, NUM_ROWS, type RankTask } from "./gathered-columns.ts";

interface Outcome {
  readonly digest?: string;
  readonly code?: string;
  readonly message?: string;
}

const WIDTH = 13;
const LONG_MS = 60_000;

/** Runs ranks on threads, each with its own way to end. */
async function run(
  endings: readonly RankTask["ending"][],
  options: Partial<RankTask> & { readonly onStarted?: () => void } = {},
): Promise<Outcome[]> {
  const { onStarted, ...given } = options;
  const shared = {
    memory: memoryOf(endings.length),
    numRounds: 3,
    width: WIDTH,
    timeoutMs: LONG_MS,
    stop: new SharedArrayBuffer(4),
    ...given,
  };
  const outcomes = endings.map((ending, rank) => {
    const task: RankTask = { ...shared, rank, ending };
    const worker = new Worker(new URL("./all-gather-worker.ts", import.meta.url), { workerData: task });
    return new Promise<Outcome>((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
  });
  onStarted?.();
  return await Promise.all(outcomes);
}

function memoryOf(numRanks: number): AllGatherMemory {
  return createAllGatherMemory(numRanks, numRanks * NUM_ROWS * WIDTH);
}

/** What the ranks should have, put together on one thread. */
function expectedDigest(numRanks: number, numRounds: number): string {
  const hash = createHash("sha256");
  for (let round = 0; round < numRounds; round++) {
    const parts = Array.from({ length: numRanks }, (_, rank) => columnsOf(rank, round, WIDTH));
    for (let row = 0; row < NUM_ROWS; row++) {
      for (const part of parts) hash.update(part.subarray(row * WIDTH, (row + 1) * WIDTH));
    }
  }
  return hash.digest("hex");
}

test("all-gather - every rank has the same bits in thousands of rounds", async () => {
  for (const numRanks of [2, 3]) {
    const endings = Array.from({ length: numRanks }, () => "none" as const);
    const outcomes = await run(endings, { numRounds: 3000 });
    const digest = expectedDigest(numRanks, 3000);
    assert.deepEqual(
      outcomes,
      endings.map(() => ({ digest })),
    );
  }
});

test("all-gather - the generation wraps around", async () => {
  const memory = memoryOf(2);
  new Int32Array(memory.barrier)[0] = 0x7fffffff - 1;
  const digest = expectedDigest(2, 5);
  assert.deepEqual(await run(["none", "none"], { memory, numRounds: 5 }), [{ digest }, { digest }]);
});

test("all-gather - a rank that poisons it sends those away who wait, and names itself", async () => {
  const [one, poisoner, three] = await run(["one-more-round", "poison", "one-more-round"]);
  assert.ok(poisoner!.digest);
  assert.deepEqual(one, { code: "engine_failed", message: "Rank 0 cannot go on: rank 1 failed." });
  assert.deepEqual(three, { code: "engine_failed", message: "Rank 2 cannot go on: rank 1 failed." });
});

test("all-gather - a rank that leaves right after a round takes nothing of it from the others", async () => {
  const digest = expectedDigest(2, 1);
  for (let i = 0; i < 10; i++) {
    assert.deepEqual(await run(["poison", "none"], { numRounds: 1 }), [{ digest }, { digest }]);
  }
});

test("all-gather - a rank that does not come is given up after the time-out, by all", async () => {
  const outcomes = await run(["one-more-round", "none", "one-more-round"], {
    numRounds: 0,
    timeoutMs: 50,
  });
  const codes = [outcomes[0]!.code, outcomes[2]!.code].sort();
  assert.ok(outcomes[1]!.digest);
  assert.equal(codes[0], "deadline_exceeded");
  assert.ok(codes[1] === "deadline_exceeded" || codes[1] === "engine_failed");
});

test("all-gather - a rank that is told to stop while it waits says so", async () => {
  const stop = new SharedArrayBuffer(4);
  const outcomes = await run(["one-more-round", "none"], {
    stop,
    onStarted: () => void Atomics.store(new Int32Array(stop), 0, 1),
  });
  // Either rank may be asked while it waits for the other.
  const waiting = outcomes.find(({ code }) => code === "not_ready");
  assert.match(waiting?.message ?? "", /engine is stopping/);
});

test("all-gather - before it joins, a rank waits for nobody", () => {
  const gather = new AllGather({ memory: memoryOf(2), rank: 1, timeoutMs: LONG_MS });
  const [whole] = gather.gather([{ data: Float32Array.of(1, 2, 3, 4), width: 2 }]);
  assert.deepEqual([...whole!], [0, 0, 1, 2, 0, 0, 3, 4]);
});

test("all-gather - several matrices at a time, each with rows of its own", () => {
  const gather = new AllGather({ memory: memoryOf(2), rank: 0, timeoutMs: LONG_MS });
  const wholes = gather.gather([
    { data: Float32Array.of(1, 2, 3), width: 3 },
    { data: Float32Array.of(4, 5), width: 1 },
  ]);
  assert.deepEqual(
    wholes.map((whole) => [...whole]),
    [
      [1, 2, 3, 0, 0, 0],
      [4, 0, 5, 0],
    ],
  );
});

test("all-gather - a poisoned one stays poisoned, with the first reason", () => {
  const memory = memoryOf(2);
  const gather = new AllGather({ memory, rank: 0, timeoutMs: LONG_MS });
  gather.join();
  gather.poison("stopped");
  gather.poison("failed");
  for (let i = 0; i < 2; i++) {
    assert.throws(() => gather.meet(), {
      code: "engine_failed",
      retryable: true,
      message: /rank 0 stopped/,
    });
  }
});

test("all-gather - more memory than there is, is refused with what to lower", () => {
  assert.throws(() => createAllGatherMemory(64, 2 ** 44), {
    code: "invalid_config",
    message: /Lower engine\.maxNumBatchedTokens/,
  });
});

test("all-gather - more than there is room for is a bug", () => {
  const gather = new AllGather({ memory: createAllGatherMemory(2, 4), rank: 0, timeoutMs: LONG_MS });
  assert.throws(() => gather.gather([{ data: new Float32Array(3), width: 1 }]), { code: "internal" });
});
