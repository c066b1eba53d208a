import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "../../src/core/manual-clock.ts";
import { InstanceQueue } from "../../src/servables/instance-queue.ts";
import type { PredictOutcome, PredictRequest } from "../../src/servables/predict.ts";
import { type Predicted, ServableDirectory } from "../../src/servables/servable-directory.ts";
import { failed, type InstanceResult } from "../../src/servables/status.ts";
import type { Value } from "../../src/servables/tensor.ts";

const NEVER = new AbortController().signal;

type Answer = (version: number, values: readonly Value[]) => InstanceResult;

/** Versions 2 and 10 of `s`, with one method. */
function makeDirectory(
  answer: Answer = (version, values) => ({ kind: "outputs", values: [`${version}: ${values.join(" ")}`] }),
  maxEnqueuedRequests = 10,
): {
  directory: ServableDirectory;
  queues: InstanceQueue[];
  predicted: Predicted[];
  hold: { gate: Promise<void> };
} {
  const hold = { gate: Promise.resolve() };
  const predicted: Predicted[] = [];
  const servables = [2, 10].map((version) => ({
    info: {
      name: "s",
      version,
      methods: [{ name: "m", inputs: ["a", "b"], outputs: ["y"] }],
      models: [],
      batchSize: 1,
    },
    queue: new InstanceQueue({
      numWorkers: 1,
      batchSize: 8,
      maxOutstanding: 16,
      async send(_worker, _method, instances) {
        await hold.gate;
        return instances.map((values) => answer(version, values));
      },
    }),
  }));
  const directory = new ServableDirectory({
    servables,
    maxEnqueuedRequests,
    clock: new ManualClock(),
    onPredicted: (one) => predicted.push(one),
  });
  return { directory, queues: servables.map(({ queue }) => queue), predicted, hold };
}

function request(fields: Partial<PredictRequest> = {}, ...bs: readonly Value[]): PredictRequest {
  const instances = (bs.length === 0 ? ["b"] : bs).map(
    (b) =>
      new Map<string, Value>([
        ["b", b],
        ["a", "a"],
      ]),
  );
  return { servable: "s", version: 0, method: "m", instances, ...fields };
}

const messageOf = (outcome: PredictOutcome): string =>
  outcome.kind === "failed" ? `${outcome.failure.code}: ${outcome.failure.message}` : assert.fail("answered");

test("version 0 is the newest, by number; others are asked for", async () => {
  const { directory } = makeDirectory();
  for (const [version, expected] of [
    [0, "10: a b"],
    [2, "2: a b"],
    [10, "10: a b"],
  ] as const) {
    assert.deepEqual(await directory.predict(request({ version }), NEVER), {
      kind: "results",
      outputs: ["y"],
      results: [{ kind: "outputs", values: [expected] }],
    });
  }
});

for (const [fields, message] of [
  [{ servable: "t" }, "2: Request servable(t) method(m) , servable is not available"],
  [{ version: 3 }, "2: Request servable(s) method(m)  version(3) , servable is not available"],
  [{ method: "n" }, "2: Request servable(s) method(n) , method is not available"],
  [{ instances: [] }, "2: Instances count of the request cannot be 0"],
  [{ instances: [new Map([["a", "a"]])] }, "2: Cannot find input b in instance input , servable s, method m"],
] as const) {
  test(`refused: ${message}`, async () => {
    assert.equal(messageOf(await makeDirectory().directory.predict(request(fields), NEVER)), message);
  });
}

test("a failure that all instances share is told once, others with their instance", async () => {
  const { directory } = makeDirectory((_version, [, b]) =>
    b === "ok" ? { kind: "outputs", values: ["fine"] } : failed(3, String(b)),
  );
  assert.equal(messageOf(await directory.predict(request({}, "bad", "bad"), NEVER)), "3: bad");
  for (const bs of [
    ["bad", "worse"],
    ["bad", "ok"],
  ]) {
    const outcome = await directory.predict(request({}, ...bs), NEVER);
    assert.equal(outcome.kind, "results");
  }
});

test("requests beyond the limit are refused, until others have ended", async () => {
  const { directory, hold } = makeDirectory(undefined, 2);
  const gate = Promise.withResolvers<void>();
  hold.gate = gate.promise;
  const running = [directory.predict(request(), NEVER), directory.predict(request(), NEVER)];
  const text = "1: Serving Error: enqueued requests count exceeds the limit 2";
  assert.equal(messageOf(await directory.predict(request(), NEVER)), text);
  assert.equal(directory.numEnqueued, 2);
  gate.resolve();
  for (const { kind } of await Promise.all(running)) assert.equal(kind, "results");
  assert.equal((await directory.predict(request(), NEVER)).kind, "results");
  assert.equal(directory.numEnqueued, 0);
});

test("a version whose workers are given up is not available, the others are", async () => {
  const { directory, queues } = makeDirectory();
  queues[1]!.close({ code: 5, message: "given up" });
  assert.match(messageOf(await directory.predict(request(), NEVER)), /^5: .*servable is not available/);
  assert.equal((await directory.predict(request({ version: 2 }), NEVER)).kind, "results");
});

test("every answer is told, with names only where there is such a method", async () => {
  const { directory, predicted } = makeDirectory();
  await directory.predict(request(), NEVER);
  await directory.predict(request({ method: "made-up" }), NEVER);
  assert.deepEqual(
    predicted.map(({ target, outcome }) => [target, outcome.kind]),
    [
      [{ servable: "s", method: "m" }, "results"],
      [null, "failed"],
    ],
  );
});
