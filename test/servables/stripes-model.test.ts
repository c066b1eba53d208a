import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { buildStripesModel } from "../../scripts/stripes-model.ts";

test("the example's model is what its script writes (node scripts/stripes-model.ts)", () => {
  const file = new URL("../../examples/stripes/stripes.onnx", import.meta.url);
  assert.deepEqual(new Uint8Array(readFileSync(file)), new Uint8Array(buildStripesModel()));
});
