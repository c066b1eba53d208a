import assert from "node:assert/strict";
import { test } from "node:test";
import { runCli } from "../../src/cli/run-cli.ts";
import type { ModelSummary } from "../../src/cli/services.ts";
import { fakeRun } from "./fake-context.ts";

const summary: ModelSummary = {
  folder: "there",
  architecture: "LlamaForCausalLM",
  checkpointBytes: 6_624_768,
  hasTokenizer: true,
  hasChatTemplate: true,
  unsupported: null,
  sizes: {
    numParameters: 3_312_384,
    numLayers: 4,
    hiddenSize: 256,
    numHeads: 8,
    numKvHeads: 4,
    headDim: 32,
    vocabSize: 2048,
    maxPositions: 2048,
    precisionBytes: { fp32: 13_249_536, w8: 3_500_000, w4: 2_000_000 },
    kvBytesPerToken: { f32: 4096, f16: 2048, int8: 1152 },
  },
};

test("inspect prints sizes for people", async () => {
  const run = fakeRun({ args: ["inspect", "there"], services: { inspect: async () => summary } });
  assert.equal(await runCli(run.context), 0);
  assert.match(run.out(), /^Folder +there$/m);
  assert.match(run.out(), /^Can be served +yes$/m);
  assert.match(run.out(), /^Parameters +3\.3 M$/m);
  assert.match(run.out(), /^Weights, compiled +fp32 12\.6 MiB, w8 3\.3 MiB, w4 1\.9 MiB$/m);
  assert.match(run.out(), /^KV per token +f32 4\.0 KiB, f16 2\.0 KiB, int8 1\.1 KiB$/m);
  assert.match(run.out(), /^KV, full context +f32 8\.0 MiB, f16 4\.0 MiB, int8 2\.3 MiB$/m);
});

test("--json prints it for programs", async () => {
  const run = fakeRun({ args: ["inspect", "--json"], services: { inspect: async () => summary } });
  assert.equal(await runCli(run.context), 0);
  assert.deepEqual(JSON.parse(run.out()), summary);
});

test("a folder that cannot be served says why and exits 1", async () => {
  const inspect = async () => ({ ...summary, unsupported: "no such architecture", sizes: null });
  const run = fakeRun({ args: ["inspect"], services: { inspect } });
  assert.equal(await runCli(run.context), 1);
  assert.match(run.out(), /^Can be served +no: no such architecture$/m);
  assert.doesNotMatch(run.out(), /Parameters/);
});

test("graphs that run as they are have sizes of their own", async () => {
  const graphs = {
    files: ["there/prefill.onnx", "there/decode.onnx"],
    numLayers: 2,
    numKvHeads: 4,
    headDim: 64,
    vocabSize: 2048,
    maxPositions: 1024,
    kvBytesPerToken: { f32: 4096, f16: 2048, int8: 1088 },
  };
  const inspect = async () => ({ ...summary, sizes: null, graphs });
  const run = fakeRun({ args: ["inspect"], services: { inspect } });
  assert.equal(await runCli(run.context), 0);
  assert.match(run.out(), /^Graphs +prefill\.onnx, decode\.onnx, run as they are$/m);
  assert.match(run.out(), /^Attention +4 KV heads of 64$/m);
  assert.match(run.out(), /^KV, full context +f32 4\.0 MiB, f16 2\.0 MiB, int8 1\.1 MiB$/m);
});
