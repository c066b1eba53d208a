import assert from "node:assert/strict";
import { test } from "node:test";
import { warmUpSteps } from "../../src/execution/warm-up.ts";
import type { AttentionSpec, Layout } from "../../src/model/compiled-model.ts";

const FULL: AttentionSpec = { scale: 1, window: null, softcap: null, alibiSlopes: null };
const SLIDING: AttentionSpec = { ...FULL, window: 128 };

function stepsOf(attention: readonly AttentionSpec[], maxPositions = 4096, layout: Layout = "blocks") {
  const pages = {
    numPages: 100,
    pageSize: 16,
    numLayers: 1,
    numKvHeads: 1,
    headDim: 1,
    kvDtype: "f32",
  } as const;
  const steps = warmUpSteps({
    model: { layout, attention, maxPositions },
    kv: { layout: pages },
    maxNumBatchedTokens: 256,
  });
  return steps.map(({ batch, numLayers }) => [batch.tokenIds.length, numLayers]);
}

test("warm-up: stacks compute all layers or none, and a single token reads all weights", () => {
  assert.deepEqual(stepsOf([FULL, SLIDING], 4096, "stacks"), [[1, 2]]);
});

test("warm-up: of blocks, the largest prompt meets every kind of attention, a single token all layers", () => {
  assert.deepEqual(stepsOf(Array(22).fill(FULL)), [
    [256, 2],
    [1, 22],
  ]);
  assert.deepEqual(stepsOf([FULL, SLIDING, FULL, SLIDING, FULL]), [
    [256, 3],
    [1, 5],
  ]);
});

test("warm-up: a model of one layer, and a kind that only the last layer has", () => {
  assert.deepEqual(stepsOf([FULL]), [
    [256, 1],
    [1, 1],
  ]);
  assert.deepEqual(stepsOf([FULL, FULL, SLIDING]), [
    [256, 3],
    [1, 3],
  ]);
});

test("warm-up: no prompt is longer than the model's positions", () => {
  assert.deepEqual(stepsOf([FULL], 40)[0], [40, 1]);
});
