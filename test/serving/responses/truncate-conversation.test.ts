import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { truncateConversation } from "../../../src/serving/responses/truncate-conversation.ts";
import { FakeEngine } from "../fake-engine.ts";

test("as few messages are left out as possible, never the instructions nor the last one", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat({ max: 30 }), { minLength: 1, maxLength: 12 }),
      fc.integer({ min: 20, max: 120 }),
      fc.boolean(),
      async (lengths, maxModelLen, isInstructed) => {
        const engine = new FakeEngine({ maxModelLen });
        const messages = lengths.map((length) => ({ role: "user", content: "x".repeat(length) }));
        const instructions = isInstructed ? [{ role: "system", content: "yyyy" }] : [];
        const kept = await truncateConversation(engine, { instructions, messages, numAnswerTokens: 5 });
        const fits = async (numLeftOut: number): Promise<boolean> => {
          const left = [...instructions, ...messages.slice(numLeftOut)];
          const { ids } = await engine.tokenize({ kind: "chat", messages: left });
          return ids.length + 5 <= maxModelLen;
        };
        let expected = 0;
        while (expected < messages.length - 1 && !(await fits(expected))) expected++;
        assert.deepEqual(kept, [...instructions, ...messages.slice(expected)]);
      },
    ),
    { numRuns: 60 },
  );
});
