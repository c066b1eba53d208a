import assert from "node:assert/strict";
import { test } from "node:test";
import { LatestResults } from "../../src/execution/latest-results.ts";
import { tensor } from "../../src/execution/onnx-runtime.ts";

const result = (...values: number[]) => ({
  y: tensor("float32", Float32Array.from(values), [values.length]),
});

test("latest results - a run's results last until the next run's are held, and then their memory is gone", () => {
  const latest = new LatestResults();
  const first = latest.hold(result(1, 2));
  assert.deepEqual([...first.y.data], [1, 2]);
  const second = latest.hold(result(3));
  assert.equal(first.y.data.length, 0);
  assert.deepEqual([...second.y.data], [3]);
});

test("latest results - what lies in shared memory is never held: others may read it", () => {
  const latest = new LatestResults();
  latest.hold({ y: tensor("float32", new Float32Array(new SharedArrayBuffer(4)), [1]) });
  assert.throws(() => latest.hold(result(1)), { code: "internal" });
});
