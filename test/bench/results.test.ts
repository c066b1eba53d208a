import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { lineChart } from "../../bench/docs/line-chart.ts";
import { byContext, parsePoints } from "../../bench/engine-points.ts";
import { kvTokenBytes, numWeights, prefillOperations, weightBytes } from "../../bench/llama-work.ts";
import { TINY_LLAMA } from "../../bench/random-checkpoint.ts";
import { percentile, writeResults } from "../../bench/report.ts";
import { temporaryDir } from "../model/make-checkpoint.ts";

test("points are read by name, alone or as sets, and grouped by context with most streams first", () => {
  const points = parsePoints(["1x64", "16x64", "p512", "8x2048"])!;
  assert.deepEqual(points.prefill, [512]);
  assert.deepEqual(byContext(points.decode), [
    [64, [16, 1]],
    [2048, [8]],
  ]);
  assert.ok(parsePoints(["usual", "long", "huge"])!.decode.length > 15);
  for (const wrong of ["", "16", "0x64", "16x", "p", "16x64x2", "some"])
    assert.equal(parsePoints([wrong]), undefined);
});

test("the work of TinyLlama-1.1B is what its parameters say", () => {
  // 1,100,048,384 parameters, of which the embedding and 45 norms are not multiplied with
  assert.equal(numWeights(TINY_LLAMA, { withHead: true }), 1_100_048_384 - 32_000 * 2048 - 45 * 2048);
  assert.equal(weightBytes(TINY_LLAMA, "w8"), numWeights(TINY_LLAMA, { withHead: true }));
  assert.equal(kvTokenBytes(TINY_LLAMA, "f32"), 2 * 22 * 4 * 64 * 4);
  const perToken = prefillOperations(TINY_LLAMA, 2) - prefillOperations(TINY_LLAMA, 1);
  assert.equal(perToken, 2 * numWeights(TINY_LLAMA, { withHead: false }));
});

test("results of one run are added to those of others, and replace their own kind", () => {
  using dir = temporaryDir();
  const file = join(dir.path, "deeper", "results.json");
  writeResults(file, "engine", { a: { value: 1 }, b: { value: 2 } });
  writeResults(file, "engine", { b: { value: 3 } });
  writeResults(file, "cost", { c: { value: 4 } });
  const { engine, cost } = JSON.parse(readFileSync(file, "utf8"));
  assert.deepEqual([engine.a.value, engine.b.value, cost.c.value], [1, 3, 4]);
  assert.ok(engine.a.machine.numCores > 0 && engine.b.measuredAt !== undefined);
});

test("a share of the values is not larger than their percentile", () => {
  const values = Array.from({ length: 100 }, (_, index) => 99 - index);
  assert.deepEqual([percentile(values, 0.5), percentile(values, 0.99), percentile(values, 1)], [50, 99, 99]);
});

test("a chart has a line and a legend for each series, and its words are no markup", () => {
  const svg = lineChart({
    title: "a < b & c",
    xLabel: "streams",
    yLabel: "tokens/s",
    isLogarithmic: true,
    series: [
      {
        name: "w8",
        color: "#000000",
        points: [
          [1, 30],
          [16, 240],
        ],
      },
      {
        name: "w4",
        color: "#111111",
        isDashed: true,
        points: [
          [1, 50],
          [16, 200],
        ],
      },
    ],
  });
  assert.match(svg, /a &lt; b &amp; c/);
  assert.equal(svg.match(/<circle/g)?.length, 4);
  assert.doesNotMatch(svg, /NaN|Infinity/);
});
