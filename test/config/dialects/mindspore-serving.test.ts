import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { loadConfig } from "../../../src/config/load-config.ts";
import type { TroupeError } from "../../../src/errors/troupe-error.ts";

/** The sample with paged attention of its documentation, with ONNX graphs where that has MindIR ones. */
const PAGED = `
model_path:
    prefill_model: ["graphs/prefill.onnx"]
    decode_model: ["graphs/decode.onnx"]
    argmax_model: "post/argmax.onnx"
    topk_model: "post/topk.onnx"
    prefill_ini: ["910b_default_ctx.cfg"]
    decode_ini: ["910b_default_inc.cfg"]
    post_model_ini: "config.ini"
model_config:
    model_name: 'baichuan2pa'
    max_generate_length: 4096
    end_token: 2
    seq_length: [1024, 2048, 4096]
    vocab_size: 125696
    prefill_batch_size: [1]
    decode_batch_size: [16]
    zactivate_len: [4096]
    model_type: 'dyn'
    page_attention: True
    current_index: False
    model_dtype: "DataType.FLOAT32"
    pad_token_id: 0
pa_config:
    num_blocks: 512
    block_size: 16
    decode_seq_length: 4096
serving_config:
    agent_ports: [61166]
    start_device_id: 0
    server_ip: 'localhost'
    server_port: 61155
tokenizer:
    type: LlamaTokenizer
    vocab_file: 'output/tokenizer_llama2_13b.model'
basic_inputs:
    type: LlamaBasicInputs
extra_inputs:
    type: LlamaExtraInputs
warmup_inputs:
    type: LlamaWarmupInputs
`;

function load(t: TestContext, text: string) {
  const folder = mkdtempSync(join(tmpdir(), "troupe-config-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "a.yaml");
  writeFileSync(file, text);
  return { folder, config: loadConfig({ file }) };
}

test("its documented sample names the graphs, their buckets and their inputs", (t) => {
  const { config, folder } = load(t, PAGED);
  const { graphs, model } = config;
  assert.deepEqual(
    [graphs.prefill, graphs.decode],
    [[join(folder, "graphs/prefill.onnx")], [join(folder, "graphs/decode.onnx")]],
  );
  assert.deepEqual(
    [graphs.argmax, graphs.topk],
    [join(folder, "post/argmax.onnx"), join(folder, "post/topk.onnx")],
  );
  const { seqLengths, prefillBatchSizes, decodeBatchSizes, actLengths } = graphs;
  assert.deepEqual(
    [seqLengths, prefillBatchSizes, decodeBatchSizes, actLengths],
    [[1024, 2048, 4096], [1], [16], [4096]],
  );
  assert.deepEqual([graphs.padTokenId, graphs.vocabSize, graphs.eosTokenIds], [0, 125696, [2]]);
  const { basicInputs, extraInputs, warmupInputs } = graphs;
  assert.deepEqual(
    [basicInputs, extraInputs, warmupInputs],
    ["LlamaBasicInputs", "LlamaExtraInputs", "LlamaWarmupInputs"],
  );
  assert.equal(model.path, join(folder, "output"));
  assert.deepEqual(model.servedNames, ["baichuan2pa", "llama2", "internlm"]);
});

test("its batching and its pages act, and what is of the Ascend platform is named", (t) => {
  const { engine, server, origin } = load(t, PAGED).config;
  const { maxModelLen, maxPromptTokens, maxNumSeqs, maxPrefillSeqs, policy, pageSize, numPages } = engine;
  assert.deepEqual([maxModelLen, maxPromptTokens, maxNumSeqs, maxPrefillSeqs], [4096, 4095, 16, 1]);
  assert.deepEqual([policy, pageSize, numPages], ["continuous", 16, 511]);
  assert.deepEqual([server.host, server.port, server.mindsporeReplies], ["127.0.0.1", 61155, "r2.1"]);
  assert.equal(server.mindsporePromptForm, "<reserved_106>{}<reserved_107>");
  assert.deepEqual(origin, {
    system: "MindSpore Serving",
    noEffect: [
      "model_path.prefill_ini",
      "model_path.decode_ini",
      "model_path.post_model_ini",
      "model_config.model_type",
      "model_config.current_index",
      "model_config.page_attention",
      "model_config.model_dtype",
      "serving_config.start_device_id",
      "tokenizer.type",
    ],
  });
});

test("static batching, and the waiting time of either section, act", (t) => {
  const changed = PAGED.replace(
    "model_type: 'dyn'",
    "batching_strategy: 'static'\n    batch_waiting_time: 0.5",
  );
  assert.deepEqual(
    [load(t, changed).config.engine.policy, load(t, changed).config.engine.prefillDelayMs],
    ["static", 500],
  );
  const other = PAGED.replace("start_device_id: 0", "prefill_batch_waiting_time: 0.25");
  assert.equal(load(t, other).config.engine.prefillDelayMs, 250);
});

test("post-sampling on the host leaves its graphs out", (t) => {
  const { graphs } = load(t, PAGED.replace("start_device_id: 0", "enable_host_post_sampling: True")).config;
  assert.deepEqual([graphs.argmax, graphs.topk], [null, null]);
});

test("a folder in the place of graphs is a model of its own: the keys of graphs are then named as without effect", (t) => {
  const changed = PAGED.replace("graphs/prefill.onnx", "weights").replace("graphs/decode.onnx", "weights");
  const { config, folder } = load(t, changed);
  assert.equal(config.model.path, join(folder, "weights"));
  assert.deepEqual([config.graphs.prefill, config.engine.tensorParallel], [[], 1]);
  for (const path of ["model_path.argmax_model", "model_config.vocab_size", "basic_inputs.type"])
    assert.ok(config.origin.noEffect.includes(path), path);
});

test("without paged attention its section does nothing, and no length limits prompts of a dynamic graph", (t) => {
  const changed = PAGED.replace("page_attention: True", "page_attention: False").replace(
    "[1024, 2048, 4096]",
    "[]",
  );
  const { engine, origin } = load(t, changed).config;
  assert.deepEqual([engine.numPages, engine.maxPromptTokens], [null, null]);
  assert.ok(origin.noEffect.includes("pa_config.num_blocks"));
});

const REFUSED: readonly (readonly [what: string, from: string, to: string, message: RegExp])[] = [
  [
    "a MindIR graph",
    "graphs/prefill.onnx",
    "rank_0_graph.mindir",
    /"model_path\.prefill_model": names "rank_0_graph\.mindir".*exported to ONNX/,
  ],
  [
    "lists of different lengths",
    '["graphs/decode.onnx"]',
    '["a.onnx", "b.onnx"]',
    /"model_path\.decode_model": names 2, but model_path\.prefill_model 1/,
  ],
  [
    "ports that are not one for each rank",
    "[61166]",
    "[61166, 61167]",
    /"serving_config\.agent_ports": names 2, but model_path\.prefill_model 1/,
  ],
  [
    "graph and folder mixed",
    "graphs/decode.onnx",
    "weights",
    /"model_path\.decode_model": names "weights", which is no \.onnx file.*"graphs\/prefill\.onnx" is another/,
  ],
  [
    "a page size that is none",
    "block_size: 16",
    "block_size: 24",
    /"pa_config\.block_size": is 24; .*power of two/,
  ],
  [
    "buckets that do not ascend",
    "[1024, 2048, 4096]",
    "[2048, 1024]",
    /"model_config\.seq_length": must ascend/,
  ],
  [
    "a misspelt key",
    "zactivate_len",
    "zactivate_length",
    /unknown key "model_config\.zactivate_length" \(did you mean "zactivate_len"\?\)/,
  ],
  [
    "a wrong type",
    "agent_ports: [61166]",
    "agent_ports: 61166",
    /"serving_config\.agent_ports": must be a list/,
  ],
  [
    "graphs without a tokenizer",
    "    vocab_file: 'output/tokenizer_llama2_13b.model'\n",
    "",
    /"tokenizer\.vocab_file": is needed/,
  ],
];

for (const [what, from, to, message] of REFUSED) {
  test(`${what} is refused by name`, (t) => {
    assert.ok(PAGED.includes(from));
    assert.throws(
      () => load(t, PAGED.replace(from, to)),
      (error: TroupeError) => {
        assert.equal(error.code, "invalid_config");
        assert.match(error.message, message);
        return true;
      },
    );
  });
}
