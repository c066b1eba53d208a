import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { OutboundBuffer } from "../../src/serving/outbound-buffer.ts";

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("never more than the limit waits, unless one piece alone is larger; order is kept", async () => {
  const piece = fc.record({ numBytes: fc.integer({ min: 1, max: 150 }), isReleasedNext: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 40 }), async (pieces) => {
      const buffer = new OutboundBuffer(100);
      const admitted: number[] = [];
      const inFlight: number[] = [];
      const take = (index: number, numBytes: number): void => {
        admitted.push(index);
        inFlight.push(numBytes);
        assert.equal(inFlight.length === 1 || buffer.waitingBytes <= 100, true);
      };
      for (const [index, { numBytes, isReleasedNext }] of pieces.entries()) {
        void buffer.reserve(numBytes).then(() => take(index, numBytes));
        await settle();
        if (isReleasedNext && inFlight.length > 0) buffer.release(inFlight.shift()!);
        await settle();
      }
      while (inFlight.length > 0) {
        buffer.release(inFlight.shift()!);
        await settle();
      }
      assert.deepEqual(admitted, [...pieces.keys()]);
      assert.equal(buffer.waitingBytes, 0);
    }),
    { numRuns: 50 },
  );
});

test("closing admits everybody who waits, and everybody after", async () => {
  const buffer = new OutboundBuffer(10);
  await buffer.reserve(10);
  assert.equal(buffer.isFull, true);
  const waiting = [buffer.reserve(5), buffer.reserve(50)];
  buffer.close();
  await Promise.all(waiting);
  await buffer.reserve(1_000);
});
