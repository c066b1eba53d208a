import assert from "node:assert/strict";
import { test } from "node:test";
import { Candidates } from "../../src/sampling/candidates.ts";
import { drawCandidate, RowDraw } from "../../src/sampling/inverse-cdf.ts";

const ALMOST_ONE = 1 - 2 ** -53;
const scale = { largest: 0, inverseTemperature: 1 };

/** The row's draw both ways, which must agree. */
function draw(row: Float32Array, uniform: number): number {
  const candidates = new Candidates(row.length);
  candidates.gather(row, { logit: Number.NEGATIVE_INFINITY, lastId: row.length }, scale);
  const token = new RowDraw(row.length).draw(row, scale, uniform);
  assert.equal(drawCandidate(candidates, uniform), token);
  return token;
}

test("each token owns its share of [0, 1), lower ends included", () => {
  const row = new Float32Array(4);
  const uniforms = [0, 0.2499, 0.25, 0.4999, 0.5, 0.75, ALMOST_ONE];
  assert.deepEqual(
    uniforms.map((uniform) => draw(row, uniform)),
    [0, 0, 1, 1, 2, 3, 3],
  );
});

test("blocks, too, begin with their lower end", () => {
  const row = new Float32Array(2048);
  for (const id of [0, 511, 512, 1023, 1024, 2047]) {
    assert.equal(draw(row, id / 2048), id);
    assert.equal(draw(row, (id + 0.999) / 2048), id);
  }
});

test("the ends of the range never draw a token without a probability", () => {
  const row = new Float32Array(1600).fill(Number.NEGATIVE_INFINITY);
  row.set([0, -1], 700);
  assert.equal(draw(row, 0), 700);
  assert.equal(draw(row, ALMOST_ONE), 701);
});
