import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { InstanceQueue } from "../../src/servables/instance-queue.ts";
import type { InstanceResult } from "../../src/servables/status.ts";
import type { Value } from "../../src/servables/tensor.ts";

const NEVER = new AbortController().signal;

interface Sent {
  readonly worker: number;
  readonly method: string;
  readonly values: readonly Value[];
  answer(): void;
  fail(error: TroupeError): void;
}

/** A queue whose workers answer when the test says so: with what they were sent. */
function makeQueue(numWorkers: number, batchSize: number): { queue: InstanceQueue; sent: Sent[] } {
  const sent: Sent[] = [];
  const queue = new InstanceQueue({
    numWorkers,
    batchSize,
    maxOutstanding: 2 * batchSize,
    send(worker, method, instances) {
      const { promise, resolve, reject } = Promise.withResolvers<readonly InstanceResult[]>();
      sent.push({
        worker,
        method,
        values: instances.map(([value]) => value!),
        answer: () => resolve(instances.map((values) => ({ kind: "outputs", values }))),
        fail: reject,
      });
      return promise;
    },
  });
  return { queue, sent };
}

const instances = (...values: readonly Value[]): Value[][] => values.map((value) => [value]);

function told(results: readonly InstanceResult[]): unknown[] {
  return results.map((result) =>
    result.kind === "failed" ? `${result.failure.code}: ${result.failure.message}` : result.values[0],
  );
}

test("three instances of two callers, for a batch of two: two and one", async () => {
  const { queue, sent } = makeQueue(1, 2);
  const first = queue.submit("m", instances("a"), NEVER);
  const second = queue.submit("m", instances("b", "c"), NEVER);
  const third = queue.submit("m", instances("d", "e"), NEVER);
  // the first went at once; two batches are the most that a worker has
  assert.deepEqual(
    sent.map(({ values }) => values),
    [["a"], ["b", "c"], ["d"]],
  );
  assert.equal(queue.numWaiting, 1);
  for (const { answer } of sent.splice(0)) answer();
  assert.deepEqual(told(await first), ["a"]);
  assert.deepEqual(told(await second), ["b", "c"]);
  sent[0]!.answer();
  assert.deepEqual(told(await third), ["d", "e"]);
});

test("instances that waited meanwhile go together, whoever sent them", async () => {
  const { queue, sent } = makeQueue(1, 2);
  void queue.submit("m", instances("a", "b", "c", "d"), NEVER);
  const callers = ["e", "f", "g"].map((value) => queue.submit("m", instances(value), NEVER));
  assert.equal(sent.length, 2);
  sent[0]!.answer();
  await Promise.resolve();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(sent[2]!.values, ["e", "f"]);
  for (const { answer } of sent.splice(1)) answer();
  await new Promise((resolve) => setImmediate(resolve));
  sent[1]!.answer();
  assert.deepEqual((await Promise.all(callers)).map(told), [["e"], ["f"], ["g"]]);
});

test("workers are used in turn, and the one with the most room first", () => {
  const { queue, sent } = makeQueue(3, 1);
  void queue.submit("m", instances("a", "b", "c", "d", "e", "f", "g"), NEVER);
  assert.deepEqual(sent.map(({ worker }) => worker).sort(), [0, 0, 1, 1, 2, 2]);
  assert.equal(new Set(sent.slice(0, 3).map(({ worker }) => worker)).size, 3);
  assert.equal(queue.numWaiting, 1);
});

test("methods take turns", () => {
  const { queue, sent } = makeQueue(1, 1);
  queue.setUp(0, false);
  void queue.submit("a", instances("a1", "a2"), NEVER);
  void queue.submit("b", instances("b1"), NEVER);
  queue.setUp(0, true);
  assert.deepEqual(
    sent.map(({ values }) => values[0]),
    ["a1", "b1"],
  );
});

test("a worker that dies takes what it had along; what waits goes to the others", async () => {
  const { queue, sent } = makeQueue(2, 1);
  const results = queue.submit("m", instances("a", "b", "c", "d", "e"), NEVER);
  const [lost] = sent.splice(0, 1);
  queue.setUp(lost!.worker, false);
  lost!.fail(new TroupeError("actor_down", "gone"));
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(queue.numWorkersUp, 1);
  for (let numLeft = 4; numLeft > 0; numLeft--) {
    sent.shift()!.answer();
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.deepEqual(told(await results), ["4: gone", "b", "c", "d", "e"]);
});

test("without a worker instances wait for one; when none will come they fail, and all that follow", async () => {
  const { queue, sent } = makeQueue(1, 1);
  queue.setUp(0, false);
  const waits = queue.submit("m", instances("a"), NEVER);
  assert.deepEqual([sent.length, queue.isOpen], [0, true]);
  queue.close({ code: 5, message: "given up" });
  assert.deepEqual(told(await waits), ["5: given up"]);
  assert.equal(queue.isOpen, false);
  assert.deepEqual(told(await queue.submit("m", instances("b"), NEVER)), ["5: given up"]);
});

test("a caller that leaves is settled at once, and its instances do not wait any more", async () => {
  const { queue, sent } = makeQueue(1, 1);
  const gone = new AbortController();
  const left = queue.submit("m", instances("a", "b", "c"), gone.signal);
  gone.abort(new TroupeError("not_ready", "stopping"));
  assert.deepEqual(told(await left), ["5: stopping", "5: stopping", "5: stopping"]);
  assert.equal(queue.numWaiting, 0);
  assert.equal(sent.length, 2);
  const early = queue.submit("m", instances("x"), gone.signal);
  assert.deepEqual(told(await early), ["5: stopping"]);
});

test("whatever happens, every instance of every caller settles once, in order", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        numWorkers: fc.integer({ min: 1, max: 3 }),
        batchSize: fc.integer({ min: 1, max: 4 }),
        steps: fc.array(
          fc.oneof(
            fc.record({ do: fc.constant("submit" as const), count: fc.integer({ min: 1, max: 7 }) }),
            fc.record({ do: fc.constantFrom("answer" as const, "fail" as const), which: fc.nat(5) }),
            fc.record({ do: fc.constant("abort" as const), which: fc.nat(5) }),
          ),
          { maxLength: 25 },
        ),
      }),
      async ({ numWorkers, batchSize, steps }) => {
        const { queue, sent } = makeQueue(numWorkers, batchSize);
        const callers: { values: string[]; abort: AbortController; results: Promise<InstanceResult[]> }[] =
          [];
        for (const step of steps) {
          if (step.do === "submit") {
            const values = Array.from({ length: step.count }, (_, i) => `${callers.length}.${i}`);
            const abort = new AbortController();
            callers.push({ values, abort, results: queue.submit("m", instances(...values), abort.signal) });
          } else if (step.do === "abort") {
            callers[step.which]?.abort.abort(new TroupeError("cancelled", "left"));
          } else {
            const [one] = sent.splice(step.which, 1);
            if (step.do === "answer") one?.answer();
            else one?.fail(new TroupeError("actor_down", "gone"));
          }
          for (const { values } of sent) assert.ok(values.length <= batchSize);
          await new Promise((resolve) => setImmediate(resolve));
        }
        while (sent.length > 0) {
          sent.shift()!.answer();
          await new Promise((resolve) => setImmediate(resolve));
        }
        for (const { values, results } of callers) {
          for (const [index, result] of told(await results).entries()) {
            assert.ok([values[index], "4: gone", "3: left"].includes(result as string), String(result));
          }
        }
        assert.equal(queue.numWaiting, 0);
      },
    ),
    { numRuns: 80 },
  );
});
