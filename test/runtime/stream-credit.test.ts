import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MessageSpan } from "../../src/runtime/message-span.ts";
import { StreamConsumer } from "../../src/runtime/stream-consumer.ts";

/** What happens next: the producer sends if it may, or the reader reads. */
const moves = fc.array(fc.constantFrom("send" as const, "read" as const), { maxLength: 300 });

test("whatever the pace of both sides, credit is never negative, at most a window is on the way, and nothing stalls", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 40 }), moves, async (window, pace) => {
      let credit = window;
      const home = {
        forget: () => undefined,
        cancel: () => undefined,
        credit: (_callId: number, _address: number | null, numItems: number) => {
          assert.ok(numItems > 0);
          credit += numItems;
        },
      };
      const options = { window, signal: undefined, span: MessageSpan.NONE };
      const consumer = new StreamConsumer(1, "stream", home, options);
      let numSent = 0;
      const reads: Promise<IteratorResult<unknown>>[] = [];
      for (const move of [...pace, ...Array.from({ length: 2 * window }, () => "read" as const)]) {
        if (move === "read") {
          reads.push(consumer.next());
        } else if (credit > 0) {
          credit--;
          consumer.item(numSent, numSent);
          numSent++;
        }
        const numUnread = Math.max(0, numSent - reads.length);
        assert.ok(credit >= 0 && credit + numUnread <= window);
      }
      // Everything was read, so the producer may go on.
      assert.ok(credit > 0);
      consumer.end(numSent);
      const values = (await Promise.all(reads)).map(({ done, value }) => (done === true ? null : value));
      assert.deepEqual(
        values.slice(0, numSent),
        Array.from({ length: numSent }, (_, n) => n),
      );
      assert.ok(values.slice(numSent).every((value) => value === null));
    }),
    { numRuns: 100 },
  );
});
