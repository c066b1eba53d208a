import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { loadConfig } from "../../../src/config/load-config.ts";
import type { TroupeError } from "../../../src/errors/troupe-error.ts";

const INFER = `
seed: 0
run_mode: "export"
trainer: { type: CausalLanguageModelingTrainer, model_name: bloom_560m }
model: { model_config: { use_past: True } }
processor: { tokenizer: { vocab_file: tokenizer/spiece.model, type: BloomTokenizer } }
infer:
    prefill_model_path: "bloom/bloom_560m_prefill.onnx"
    increment_model_path: "bloom/bloom_560m_inc.onnx"
    infer_seq_length: 512
    model_type: mindir
    ge_config_path: "ge_config.ini"
`;

const BOOST = `
load_checkpoint: 'qwen2_7b_ckpt_dir'
use_parallel: True
parallel_config: { data_parallel: 1, model_parallel: 4, pipeline_stage: 1, micro_batch_num: 1 }
model:
  model_config:
    type: LlmBoostConfig
    llm_backend: BuildIn
    boost_model_name: Qwen
    seq_length: 4096
    max_decode_length: 2048
    block_size: 32
    num_blocks: 1024
    batch_size: 4
  arch: { type: LlmBoostForCausalLM }
processor: { tokenizer: { vocab_file: "vocab.json", merges_file: "merges.txt" } }
`;

function load(t: TestContext, text: string) {
  const folder = mkdtempSync(join(tmpdir(), "troupe-config-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "run_model.yaml");
  writeFileSync(file, text);
  return { folder, config: loadConfig({ file }) };
}

test("the section infer names graphs, their length and the model; the rest is named as without effect", (t) => {
  const { config, folder } = load(t, INFER);
  const { graphs, model, engine, origin } = config;
  assert.deepEqual(
    [graphs.prefill, graphs.decode],
    [[join(folder, "bloom/bloom_560m_prefill.onnx")], [join(folder, "bloom/bloom_560m_inc.onnx")]],
  );
  assert.deepEqual([graphs.seqLengths, graphs.basicInputs, engine.maxModelLen], [[512], "bloom_560m", 512]);
  assert.deepEqual([model.path, model.servedNames], [join(folder, "tokenizer"), ["bloom_560m"]]);
  assert.equal(origin.system, "MindFormers");
  assert.deepEqual(origin.noEffect, [
    "seed",
    "run_mode",
    "trainer.type",
    "model",
    "processor.tokenizer.type",
    "infer.model_type",
    "infer.ge_config_path",
  ]);
});

test("dynamic graphs have no length to be padded to; without a tokenizer's file it lies beside the graphs", (t) => {
  const text = INFER.replace("infer_seq_length: 512", "dynamic: True").replace(/^processor.*$/m, "");
  const { config, folder } = load(t, text);
  assert.deepEqual([config.graphs.seqLengths, config.engine.maxModelLen], [[], 1024]);
  assert.equal(config.model.path, join(folder, "bloom"));
});

test("a checkpoint of llm_boost is served with its lengths, its pages and its ranks", (t) => {
  const { config, folder } = load(t, BOOST);
  const { maxModelLen, pageSize, numPages, maxNumSeqs, tensorParallel } = config.engine;
  assert.equal(config.model.path, join(folder, "qwen2_7b_ckpt_dir"));
  assert.deepEqual([maxModelLen, pageSize, numPages, maxNumSeqs, tensorParallel], [2048, 32, 1024, 4, 4]);
  assert.deepEqual(config.origin.noEffect, [
    "parallel_config.micro_batch_num",
    "model.model_config.type",
    "model.model_config.llm_backend",
    "model.model_config.boost_model_name",
    "model.arch",
    "processor",
  ]);
});

test("without use_parallel one rank serves, whatever parallel_config says", (t) => {
  const { config } = load(t, BOOST.replace("use_parallel: True", "use_parallel: False"));
  assert.equal(config.engine.tensorParallel, null);
});

const REFUSED: readonly (readonly [what: string, text: string, message: RegExp])[] = [
  [
    "a MindIR graph",
    INFER.replace("bloom_560m_prefill.onnx", "bloom.mindir"),
    /"infer\.prefill_model_path": names "bloom\/bloom\.mindir"/,
  ],
  [
    "an unknown key of infer",
    INFER.replace("model_type", "modeltype"),
    /unknown key "infer\.modeltype" \(did you mean "model_type"\?\)/,
  ],
  ["an unknown section", `${INFER}\ninfers: {}\n`, /unknown key "infers" \(did you mean "infer"\?\)/],
  [
    "a checkpoint of MindSpore",
    BOOST.replace("ckpt_dir'", "rank_0.ckpt'"),
    /"load_checkpoint": names .*only MindSpore reads/,
  ],
  ["no checkpoint", BOOST.replace(/^load_checkpoint.*$/m, "trainer: {}"), /"load_checkpoint": is missing/],
  [
    "pipeline stages",
    BOOST.replace("pipeline_stage: 1", "pipeline_stage: 2"),
    /"parallel_config\.pipeline_stage": must be 1/,
  ],
  ["a wrong type", BOOST.replace("batch_size: 4", "batch_size: four"), /"model\.model_config\.batch_size"/],
];

for (const [what, text, message] of REFUSED) {
  test(`${what} is refused by name`, (t) => {
    assert.throws(
      () => load(t, text),
      (error: TroupeError) => {
        assert.equal(error.code, "invalid_config");
        assert.match(error.message, message);
        return true;
      },
    );
  });
}
