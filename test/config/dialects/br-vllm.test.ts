import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { loadConfig } from "../../../src/config/load-config.ts";
import type { TroupeError } from "../../../src/errors/troupe-error.ts";

/** The sample of its documentation. */
const SAMPLE = {
  model: "Qwen/Qwen2-72B",
  cached_dir: "/models/qwen2-72b/",
  input_name: "input_ids.1",
  output_name: "9",
  vocab_size: 152064,
  model_file: "/models/qwen2-72b.pt",
  serialize_file: "/models/engine_qwen2_72b",
  model_precision: "a_bf16_w_int8_kv_int8",
  build_seq: 2048,
  build_batch: 8,
  distribute_param: [4, 1, 1],
  devices: [0, 1, 2, 3],
  all_models: { "http://10.0.0.1:8000": "Qwen/Qwen2-72B" },
};

function load(t: TestContext, file: object) {
  const folder = mkdtempSync(join(tmpdir(), "troupe-config-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "qwen2_72b.json");
  writeFileSync(path, JSON.stringify(file));
  return { folder, config: loadConfig({ file: path }) };
}

test("every key of the documented sample acts or is named as having no effect", (t) => {
  const { model, engine, server, origin } = load(t, SAMPLE).config;
  assert.deepEqual(
    [model.path, model.servedNames, model.precision, model.cacheDir],
    ["/models/qwen2-72b", ["Qwen/Qwen2-72B"], "w8", "/models/engine_qwen2_72b"],
  );
  const { kvDtype, maxModelLen, maxAnswerTokens, maxNumSeqs, tensorParallel } = engine;
  assert.deepEqual(
    [kvDtype, maxModelLen, maxAnswerTokens, maxNumSeqs, tensorParallel],
    ["int8", 2048, 1024, 8, 4],
  );
  assert.deepEqual(server.peers, []);
  assert.deepEqual(origin, {
    system: "br-vllm-serving",
    noEffect: ["input_name", "output_name", "vocab_size", "devices", "model_file"],
  });
});

test("services of other models become peers; this server's own model is not looked for elsewhere", (t) => {
  const all_models = {
    "http://10.0.0.1:8000": "Qwen/Qwen2-72B",
    "http://10.0.0.2:8000/": "codellama/CodeLlama-34b-hf",
  };
  const { server } = load(t, { ...SAMPLE, all_models }).config;
  assert.deepEqual(server.peers, [{ url: "http://10.0.0.2:8000", model: "codellama/CodeLlama-34b-hf" }]);
});

test("without cached_dir a converted folder in model_file is served", (t) => {
  const { cached_dir: _, ...rest } = SAMPLE;
  const { config, folder } = load(t, { ...rest, model_file: "converted" });
  assert.equal(config.model.path, join(folder, "converted"));
  assert.ok(!config.origin.noEffect.includes("model_file"));
});

const REFUSED: readonly (readonly [what: string, change: object, message: RegExp])[] = [
  [
    "a context over 8K",
    { build_seq: 8193 },
    /"build_seq": must be at most 8192.*engine\.maxModelLen.*got 8193/,
  ],
  ["a batch over 64", { build_batch: 65 }, /"build_batch": must be at most 64.*engine\.maxNumSeqs.*got 65/],
  ["pipeline parallel", { distribute_param: [4, 2, 1] }, /"distribute_param\.1": must be 1: pipeline/],
  ["data parallel", { distribute_param: [4, 1, 2] }, /"distribute_param\.2": must be 1.*--dp/],
  ["devices that are not one for each rank", { devices: [0] }, /"devices": names 1, .*asks for 4 ranks/],
  [
    "a single card other than 0",
    { distribute_param: [1, 1, 1], devices: [3] },
    /"devices": is \[3\].*card 0 only; write \[0\]/,
  ],
  [
    "an unknown precision",
    { model_precision: "int3" },
    /"model_precision": must be "a_bf16_w_int8_kv_int8", /,
  ],
  ["a key that is none", { buildseq: 5 }, /unknown key "buildseq" \(did you mean "build_seq"\?\)/],
  [
    "a wrong type",
    { build_batch: "8" },
    /"build_batch": must be a number; write it without quotes \(got "8"\)/,
  ],
  [
    "a table without the own model",
    { all_models: { "http://a:1": "x" } },
    /"all_models": has no service with/,
  ],
  [
    "a table with something else than addresses",
    { all_models: { here: "Qwen/Qwen2-72B" } },
    /must be an address/,
  ],
  ["a key left out", { vocab_size: undefined }, /"vocab_size"/],
  ["neither folder", { cached_dir: undefined }, /"cached_dir": is missing, and models are not downloaded/],
];

for (const [what, change, message] of REFUSED) {
  test(`${what} is refused by name`, (t) => {
    assert.throws(
      () => load(t, { ...SAMPLE, ...change }),
      (error: TroupeError) => {
        assert.equal(error.code, "invalid_config");
        assert.match(error.message, message);
        return true;
      },
    );
  });
}
