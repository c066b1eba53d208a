import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { CPU } from "../../src/config/device.ts";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { loadServableModel } from "../../src/execution/servable-model.ts";
import { ModelBatch } from "../../src/servables/model-batch.ts";
import { tensor, type Value } from "../../src/servables/tensor.ts";
import type { TensorType } from "../../src/servables/tensor-types.ts";
import { folderOf, identityModel, textModel } from "../servables/test-models.ts";

const OPTIONS = { name: "net", threads: 1, device: CPU };

/** Runs instances through a model whose bytes are given. */
function run(t: Parameters<typeof folderOf>[0], bytes: Uint8Array, instances: readonly Value[]): Value[] {
  const model = loadServableModel(
    fileURLToPath(new URL("net.onnx", folderOf(t, { "net.onnx": bytes }))),
    OPTIONS,
  );
  t.after(() => model.release());
  const batch = new ModelBatch("net", model, { file: "net.onnx" });
  for (const instance of instances) assert.equal(batch.refuse([instance]), null);
  return batch.run(instances.map((instance) => [instance])).map(([value]) => value!);
}

const PAIRS: Readonly<Record<TensorType, readonly [number | bigint, number | bigint]>> = {
  bool: [1, 0],
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
  uint16: [1, 65535],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  uint32: [1, 2 ** 32 - 1],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [1n, 2n ** 64n - 1n],
  float16: [-1.5, 65504],
  float32: [Math.fround(0.1), -3e38],
  float64: [0.1, 1e300],
};

for (const [type, pair] of Object.entries(PAIRS) as [TensorType, readonly [number, number]][]) {
  test(`${type} goes in and out of a model, in a batch of two`, (t) => {
    const rows = [tensor(type, [2], pair), tensor(type, [2], [pair[1], pair[0]])];
    assert.deepEqual(run(t, identityModel(type), rows), rows);
  });
}

test("texts go in and out of a model", (t) => {
  assert.deepEqual(run(t, textModel(), ["grün", "", "c"]), ["grün", "", "c"]);
});

test("a model that cannot be loaded, and one of types that cannot be sent, are named", (t) => {
  const folder = folderOf(t, { "bad.onnx": new Uint8Array(9), "bf16.onnx": identityModel("bfloat16") });
  for (const [file, message] of [
    ["none.onnx", /Session net could not be loaded/],
    ["bad.onnx", /Session net could not be loaded/],
    ["bf16.onnx", /Model net: "x" is of a type that cannot be sent/],
  ] as const) {
    assert.throws(
      () => loadServableModel(fileURLToPath(new URL(file, folder)), OPTIONS),
      (error) =>
        error instanceof TroupeError && error.code === "invalid_model" && message.test(error.message),
    );
  }
});
