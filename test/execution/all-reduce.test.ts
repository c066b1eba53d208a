import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { AllReduce, type AllReduceMemory, createAllReduceMemory } from "../../src/execution/all-reduce.ts";

/** What the thread of a rank is given. */
export interface RankTask {
  readonly memory: AllReduceMemory;
  readonly rank: number;
  readonly numRounds: number;
  readonly length: number;
  readonly timeoutMs: number;
  readonly stop: SharedArrayBuffer;
  /** What comes after the rounds. */
  readonly ending: "none" | "poison" | "one-more-round";
}

interface Outcome {
  readonly digest?: string;
  readonly code?: string;
  readonly message?: string;
}

const LENGTH = 37;
const LONG_MS = 60_000;

/** Runs ranks on threads, each with its own way to end. */
async function run(
  endings: readonly RankTask["ending"][],
  options: Partial<RankTask> & { readonly onStarted?: () => void } = {},
): Promise<Outcome[]> {
  const { onStarted, ...given } = options;
  const shared = {
    memory: createAllReduceMemory(endings.length, LENGTH),
    numRounds: 3,
    length: LENGTH,
    timeoutMs: LONG_MS,
    stop: new SharedArrayBuffer(4),
    ...given,
  };
  const outcomes = endings.map((ending, rank) => {
    const task: RankTask = { ...shared, rank, ending };
    const worker = new Worker(new URL("./all-reduce-worker.ts", import.meta.url), { workerData: task });
    return new Promise<Outcome>((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
  });
  onStarted?.();
  return await Promise.all(outcomes);
}

/** What the ranks should have, computed on one thread. */
function expectedDigest(numRanks: number, numRounds: number): string {
  const hash = createHash("sha256");
  for (let round = 0; round < numRounds; round++) {
    const partial = (rank: number) =>
      Float32Array.from({ length: LENGTH }, (_, i) => Math.sin(1 + i * 7 + round * 31 + rank * 101));
    const sum = partial(0);
    for (let rank = 1; rank < numRanks; rank++) {
      for (const [i, value] of partial(rank).entries()) sum[i]! += value;
    }
    hash.update(sum);
  }
  return hash.digest("hex");
}

test("all-reduce - every rank has the same bits in thousands of rounds", async () => {
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

test("all-reduce - the generation wraps around", async () => {
  const memory = createAllReduceMemory(2, LENGTH);
  new Int32Array(memory.barrier)[0] = 0x7fffffff - 1;
  const digest = expectedDigest(2, 5);
  assert.deepEqual(await run(["none", "none"], { memory, numRounds: 5 }), [{ digest }, { digest }]);
});

test("all-reduce - a rank that poisons it sends those away who wait, and names itself", async () => {
  const [one, poisoner, three] = await run(["one-more-round", "poison", "one-more-round"]);
  assert.ok(poisoner!.digest);
  assert.deepEqual(one, { code: "engine_failed", message: "Rank 0 cannot go on: rank 1 failed." });
  assert.deepEqual(three, { code: "engine_failed", message: "Rank 2 cannot go on: rank 1 failed." });
});

test("all-reduce - a rank that leaves right after a round takes nothing of it from the others", async () => {
  const digest = expectedDigest(2, 1);
  for (let i = 0; i < 10; i++) {
    assert.deepEqual(await run(["poison", "none"], { numRounds: 1 }), [{ digest }, { digest }]);
  }
});

test("all-reduce - a rank that does not come is given up after the time-out, by all", async () => {
  const outcomes = await run(["one-more-round", "none", "one-more-round"], {
    numRounds: 0,
    timeoutMs: 50,
  });
  const codes = [outcomes[0]!.code, outcomes[2]!.code].sort();
  assert.ok(outcomes[1]!.digest);
  assert.equal(codes[0], "deadline_exceeded");
  assert.ok(codes[1] === "deadline_exceeded" || codes[1] === "engine_failed");
});

test("all-reduce - a rank that is told to stop while it waits says so", async () => {
  const stop = new SharedArrayBuffer(4);
  const outcomes = await run(["one-more-round", "none"], {
    stop,
    onStarted: () => void Atomics.store(new Int32Array(stop), 0, 1),
  });
  // Either rank may be asked while it waits for the other.
  const waiting = outcomes.find(({ code }) => code === "not_ready");
  assert.match(waiting?.message ?? "", /engine is stopping/);
});

test("all-reduce - before it joins, a rank waits for nobody", () => {
  const memory = createAllReduceMemory(2, LENGTH);
  const reduce = new AllReduce({ memory, rank: 1, timeoutMs: LONG_MS });
  reduce.slot(LENGTH).fill(2);
  const [other, own] = reduce.exchange(LENGTH);
  assert.equal(other![0], 0);
  assert.equal(own![0], 2);
});

test("all-reduce - a poisoned one stays poisoned, with the first reason", () => {
  const memory = createAllReduceMemory(2, LENGTH);
  const reduce = new AllReduce({ memory, rank: 0, timeoutMs: LONG_MS });
  reduce.join();
  reduce.poison("stopped");
  reduce.poison("failed");
  for (let i = 0; i < 2; i++) {
    assert.throws(() => reduce.meet(), {
      code: "engine_failed",
      retryable: true,
      message: /rank 0 stopped/,
    });
  }
});

test("all-reduce - more memory than there is, is refused with what to lower", () => {
  assert.throws(() => createAllReduceMemory(64, 2 ** 44), {
    code: "invalid_config",
    message: /Lower engine\.maxNumBatchedTokens/,
  });
});

test("all-reduce - a partial sum longer than a slot is a bug", () => {
  const reduce = new AllReduce({ memory: createAllReduceMemory(2, 4), rank: 0, timeoutMs: LONG_MS });
  assert.throws(() => reduce.slot(5), { code: "internal" });
});
