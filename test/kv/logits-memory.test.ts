import assert from "node:assert/strict";
import { test } from "node:test";
import { createLogitsMemory, logitsRow } from "../../src/kv/logits-memory.ts";

test("logits memory - rows are views of one shared buffer", () => {
  const memory = createLogitsMemory(3, 5);
  logitsRow(structuredClone(memory), 2)[4] = 1.5;
  assert.equal(logitsRow(memory, 2)[4], 1.5);
  assert.equal(new Float32Array(memory.buffer)[14], 1.5);
  assert.equal(logitsRow(memory, 1).length, 5);
});
