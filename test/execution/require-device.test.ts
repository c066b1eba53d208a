import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDevice } from "../../src/config/device.ts";
import { installHint } from "../../src/execution/device-provider.ts";
import { requireDevice } from "../../src/execution/require-device.ts";

test("devices have a kind and a number", () => {
  assert.deepEqual(parseDevice("cuda:12"), { kind: "cuda", index: 12 });
  assert.deepEqual(parseDevice("coreml"), { kind: "coreml", index: 0 });
  for (const name of ["gpu:0", "cuda:", "cuda:-1", "CPU:0", "cpu:0x", ""])
    assert.equal(parseDevice(name), null, name);
});

test("the CPU is always there", () => {
  requireDevice("cpu:0");
  requireDevice("cpu:1");
});

test("a provider that this platform's ONNX Runtime does not have is refused in one line with what to do", () => {
  const missing = process.platform === "win32" ? "coreml" : "dml:0";
  assert.throws(
    () => requireDevice(missing),
    (error: Error & { code: string }) => {
      assert.equal(error.code, "invalid_config");
      assert.match(
        error.message,
        new RegExp(`^${missing} is not available\\. onnxruntime-node has .* alone`),
      );
      assert.ok(!error.message.includes("\n"));
      return true;
    },
  );
});

test("a number that a provider cannot choose by is refused", () => {
  assert.throws(() => requireDevice("webgpu:1"), { code: "invalid_config", message: /write webgpu:0/ });
});

test("what CUDA needs is named where it can be had", () => {
  assert.match(installHint("cuda", "linux"), /CUDA 12.*npm rebuild onnxruntime-node/);
  assert.match(installHint("cuda", "darwin"), /Linux x64 alone/);
});
