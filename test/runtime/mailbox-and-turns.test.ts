import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fifo } from "../../src/runtime/fifo.ts";
import { estimateBytes } from "../../src/runtime/message-size.ts";
import { RunQueue } from "../../src/runtime/run-queue.ts";
import { SharedMailbox } from "../../src/runtime/shared-mailbox.ts";
import { coded } from "./runtime-harness.ts";

test("a mailbox keeps to both limits and gives back exactly what was taken", () => {
  const sizes = fc.array(fc.nat(500), { maxLength: 60 });
  fc.assert(
    fc.property(
      sizes,
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 16, max: 2000 }),
      (all, maxMessages, maxBytes) => {
        const mailbox = SharedMailbox.create({ maxMessages, maxBytes });
        const taken: number[] = [];
        for (const bytes of all) {
          if (mailbox.reserve(bytes)) taken.push(bytes);
          else if (taken.length > 0 && bytes % 2 === 0) mailbox.release(taken.pop()!);
          assert.equal(mailbox.numMessages, taken.length);
          assert.ok(mailbox.numMessages <= maxMessages);
          assert.ok(mailbox.numBytes <= Math.ceil(maxBytes / 16) * 16);
        }
        for (const bytes of taken) mailbox.release(bytes);
        assert.deepEqual([mailbox.numMessages, mailbox.numBytes], [0, 0]);
      },
    ),
    { numRuns: 100 },
  );
});

test("mailbox limits out of range are refused", () => {
  for (const spec of [
    { maxMessages: 0 },
    { maxMessages: 1.5 },
    { maxBytes: 2 ** 31 },
    { maxBytes: Number.NaN },
  ]) {
    assert.throws(() => SharedMailbox.create(spec), coded("invalid_config"));
  }
});

test("another view of the same memory sees the stop request", () => {
  const mailbox = SharedMailbox.create();
  const view = new SharedMailbox(mailbox.share);
  assert.equal(view.isStopRequested, false);
  mailbox.requestStop();
  assert.equal(view.isStopRequested, true);
});

test("the size estimate is exact for buffers, free for shared memory, proportional for long arrays", () => {
  assert.equal(estimateBytes(new Float32Array(100)), 416);
  assert.equal(estimateBytes(new Float32Array(new SharedArrayBuffer(400))), 16);
  assert.equal(estimateBytes("abc"), 22);
  assert.equal(estimateBytes(Array.from({ length: 1000 }, () => 1)), 8016);
  assert.ok(estimateBytes({ logits: [new Uint8Array(1_000_000)] }) >= 1_000_000);
});

test("the size estimate of anything is a finite number, cyclic or not", () => {
  const cyclic: Record<string, unknown> = {};
  cyclic.self = cyclic;
  assert.ok(Number.isFinite(estimateBytes(cyclic)));
  fc.assert(
    fc.property(fc.anything(), (value) =>
      assert.ok(Number.isFinite(estimateBytes(value)) && estimateBytes(value) > 0),
    ),
    { numRuns: 100 },
  );
});

test("a fifo gives back what was put in, in order", () => {
  const commands = fc.array(fc.oneof(fc.nat(), fc.constant("shift" as const)), { maxLength: 3000 });
  fc.assert(
    fc.property(commands, (all) => {
      const [fifo, model] = [new Fifo<number>(), [] as number[]];
      for (const command of all) {
        if (command === "shift") assert.equal(fifo.shift(), model.shift());
        else {
          fifo.push(command);
          model.push(command);
        }
        assert.equal(fifo.size, model.length);
      }
      assert.deepEqual(fifo.drain(), model);
    }),
    { numRuns: 50 },
  );
});

test("work that always makes more work leaves room for the event loop", async () => {
  const queue = new RunQueue();
  let numSteps = 0;
  let isOver = false;
  const endless = {
    run: () => {
      numSteps++;
      if (!isOver) queue.schedule(endless);
    },
  };
  queue.schedule(endless);
  await new Promise((resolve) => setTimeout(resolve, 0));
  isOver = true;
  assert.ok(numSteps > 0);
});

test("flush runs what waits at once, but never inside a step", () => {
  const queue = new RunQueue();
  const order: string[] = [];
  const inner = { run: () => void order.push("inner") };
  queue.schedule({
    run: () => {
      queue.schedule(inner);
      queue.flush();
      order.push("outer");
    },
  });
  queue.flush();
  assert.deepEqual(order, ["outer", "inner"]);
});
