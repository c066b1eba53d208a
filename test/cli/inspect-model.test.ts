import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { inspectModel } from "../../src/cli/inspect-model.ts";
import { embeddedModelPath } from "../../src/config/embedded-model.ts";
import { folderOf } from "../execution/graph/graph-stage.ts";
import { toyDecoder } from "../execution/graph/toy-decoder.ts";
import { weightsPlace } from "../model/convert/weights-place.ts";

test("the embedded model is described from its files", async () => {
  const { sizes, ...summary } = await inspectModel(embeddedModelPath());
  assert.deepEqual(summary, {
    folder: embeddedModelPath(),
    architecture: "LlamaForCausalLM",
    checkpointBytes: readFileSync(join(embeddedModelPath(), "model.safetensors")).length,
    hasTokenizer: true,
    hasChatTemplate: true,
    unsupported: null,
  });
  assert.ok(sizes);
  // vocabulary 2048 x 256; each layer 256 x (256 + 128 + 128 + 256) + 3 x 256 x 640 + 2 x 256; the last norm 256
  assert.equal(sizes.numParameters, 2048 * 256 + 4 * (256 * 768 + 3 * 256 * 640 + 512) + 256);
  const rows = 2 * 4 * 4; // keys and values of 4 heads in 4 layers
  assert.deepEqual(sizes.kvBytesPerToken, { f32: rows * 128, f16: rows * 64, int8: rows * 36 });
  const { fp32, w8, w4, w4g128 } = sizes.precisionBytes;
  assert.ok(w4g128! < w4! && w4! < w8! && w8! < fp32!);
});

test("a converted folder, split or not, is described as the model it is, in its own precision", async () => {
  using place = weightsPlace();
  await place.convert("models/understudy", "w8", "w8");
  await place.split("w8", "two", 2);
  const original = await inspectModel(embeddedModelPath());
  for (const name of ["w8", "two"]) {
    const { sizes, unsupported, checkpointBytes } = await inspectModel(place.at(name));
    assert.deepEqual(sizes, { ...original.sizes, precisionBytes: { w8: original.sizes!.precisionBytes.w8 } });
    assert.ok(unsupported === null && checkpointBytes > 3e6, name);
  }
});

test("an architecture that is not supported is told, with what is known of the folder", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "troupe-inspect-"));
  t.after(() => rmSync(folder, { recursive: true }));
  cpSync(join(embeddedModelPath(), "model.safetensors"), join(folder, "model.safetensors"));
  writeFileSync(join(folder, "config.json"), '{ "architectures": ["MambaForCausalLM"] }');
  const summary = await inspectModel(folder);
  assert.match(summary.unsupported ?? "", /^the architecture MambaForCausalLM is not supported/);
  assert.deepEqual([summary.sizes, summary.hasTokenizer, summary.hasChatTemplate], [null, false, false]);
});

test("a folder of graphs is described as what it is run as", async (t) => {
  const files = {
    "prefill.onnx": toyDecoder({ form: "prefill" }),
    "decode.onnx": toyDecoder({ form: "rows" }),
  };
  const folder = folderOf({ files });
  t.after(() => rmSync(folder, { recursive: true }));
  const { graphs, sizes, unsupported, checkpointBytes } = await inspectModel(folder);
  assert.deepEqual([sizes, unsupported], [null, null]);
  assert.equal(checkpointBytes, files["prefill.onnx"].length + files["decode.onnx"].length);
  assert.deepEqual(graphs, {
    files: [join(folder, "prefill.onnx"), join(folder, "decode.onnx")],
    numLayers: 2,
    numKvHeads: 2,
    headDim: 8,
    vocabSize: 32,
    maxPositions: 128,
    kvBytesPerToken: { f32: 2 * 2 * 2 * 32, f16: 2 * 2 * 2 * 16, int8: 2 * 2 * 2 * 12 },
  });
});
