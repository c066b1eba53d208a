import assert from "node:assert/strict";
import { test } from "node:test";
import { attentionKinds } from "../../src/model/attention-kinds.ts";
import type { AttentionSpec } from "../../src/model/compiled-model.ts";

const FULL: AttentionSpec = { scale: 1, window: null, softcap: null, alibiSlopes: null };

test("layers that look at the same keys are of one kind, however they score them", () => {
  const specs = [
    FULL,
    { ...FULL, window: 128 },
    { ...FULL, scale: 0.5, softcap: 50 },
    { ...FULL, alibiSlopes: [0.5] },
    { ...FULL, window: 128 },
  ];
  assert.deepEqual(attentionKinds(specs), {
    kinds: [
      { window: null, distances: false },
      { window: 128, distances: false },
      { window: null, distances: true },
    ],
    ofLayer: [0, 1, 0, 2, 1],
  });
});
