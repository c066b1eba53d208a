import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { type PartialConfig, parseConfig } from "../../../src/config/load-config.ts";
import { isRecomputed, needsWholePrompts } from "../../../src/model/graphs/graph-model.ts";
import { type OpenedGraphs, openGraphs } from "../../../src/model/graphs/open-graphs.ts";
import { GraphBuilder } from "../../../src/model/onnx/graph-builder.ts";
import { toyDecoder } from "../../execution/graph/toy-decoder.ts";

type Files = Readonly<Record<string, Uint8Array | object | string>>;

function folder(t: TestContext, files: Files): string {
  const dir = mkdtempSync(join(tmpdir(), "troupe-open-graphs-"));
  t.after(() => rmSync(dir, { recursive: true }));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    const isPlain = typeof content === "string" || content instanceof Uint8Array;
    writeFileSync(join(dir, name), isPlain ? content : JSON.stringify(content));
  }
  return dir;
}

const CONFIG = { architectures: ["ToyForCausalLM"], max_position_embeddings: 128, eos_token_id: [1, 2] };
const concat = toyDecoder({ form: "concat" });
const gqa = toyDecoder({ form: "gqa" });
const prefill = toyDecoder({ form: "prefill" });
const rows = toyDecoder({ form: "rows", tokens: 1 });

async function open(dir: string, graphs: PartialConfig["graphs"] = {}): Promise<OpenedGraphs> {
  const opened = await openGraphs(dir, parseConfig({ graphs }).graphs);
  assert.ok(opened !== null);
  return opened;
}

const GENAI = {
  model: {
    type: "phi3",
    context_length: 96,
    eos_token_id: [7, 9],
    vocab_size: 32,
    decoder: {
      filename: "phi.onnx",
      head_size: 8,
      num_hidden_layers: 2,
      num_key_value_heads: 2,
      inputs: {
        input_ids: "input_ids",
        past_key_names: "past_key_values.%d.key",
        past_value_names: "past_key_values.%d.value",
      },
      outputs: {
        logits: "logits",
        present_key_names: "present.%d.key",
        present_value_names: "present.%d.value",
      },
    },
  },
};

for (const [what, files, expected] of [
  ["optimum's model.onnx", { "model.onnx": concat }, ["model.onnx", "model.onnx"]],
  [
    "optimum's merged decoder",
    { "decoder_model_merged.onnx": concat },
    ["decoder_model_merged.onnx", "decoder_model_merged.onnx"],
  ],
  [
    "optimum's two decoders",
    { "decoder_model.onnx": prefill, "decoder_with_past_model.onnx": rows },
    ["decoder_model.onnx", "decoder_with_past_model.onnx"],
  ],
  ["transformers.js' folder onnx", { "onnx/model.onnx": concat }, ["onnx/model.onnx", "onnx/model.onnx"]],
  [
    "the pair of troupe export",
    { "prefill.onnx": prefill, "decode.onnx": rows, "argmax.onnx": "", "topk.onnx": "" },
    ["prefill.onnx", "decode.onnx"],
  ],
  [
    "a pair, one of them called prefill",
    { "llama_prefill_2k.onnx": prefill, "llama_inc.onnx": rows },
    ["llama_prefill_2k.onnx", "llama_inc.onnx"],
  ],
  ["a single graph of any name", { "my.onnx": gqa }, ["my.onnx", "my.onnx"]],
] as const satisfies readonly [string, Files, readonly [string, string]][]) {
  test(`${what} is recognised`, async (t) => {
    const dir = folder(t, { ...files, "config.json": CONFIG });
    const { folder: described, model } = await open(dir);
    assert.deepEqual(
      [model.prefill.file, model.decode.file],
      expected.map((file) => join(dir, file)),
    );
    assert.deepEqual([described.architecture, described.eosTokenIds], ["ToyForCausalLM", [1, 2]]);
    const { numLayers, numKvHeads, headDim, vocabSize, maxPositions } = model;
    assert.deepEqual(
      { numLayers, numKvHeads, headDim, vocabSize, maxPositions },
      {
        numLayers: 2,
        numKvHeads: 2,
        headDim: 8,
        vocabSize: 32,
        maxPositions: 128,
      },
    );
    assert.equal(needsWholePrompts(model), expected[0] !== expected[1]);
  });
}

test("onnxruntime-genai's folder needs no config.json", async (t) => {
  const dir = folder(t, { "phi.onnx": gqa, "genai_config.json": GENAI });
  const { folder: described, model } = await open(dir, { eosTokenIds: [3] });
  assert.deepEqual([described.architecture, described.eosTokenIds], ["phi3", [7, 9, 3]]);
  assert.equal(model.prefill.file, join(dir, "phi.onnx"));
  assert.deepEqual([model.maxPositions, model.prefill.hasGroupQueryAttention], [96, true]);
});

test("names of genai_config.json are the graph's names of standard inputs", async (t) => {
  const graph = new GraphBuilder("renamed");
  const ids = graph.input("tokens_in", "int64", ["batch", "tokens"]);
  const past = ["k", "v"].map((half) => graph.input(`${half}_0`, "float32", ["batch", 2, "past", 8]));
  for (const [index, value] of past.entries())
    graph.output(`out_${"kv"[index]}_0`, graph.node("Identity", [value]), "float32", [
      "batch",
      2,
      "length",
      8,
    ]);
  const cast = graph.node("Cast", [graph.node("Unsqueeze", [ids, graph.int64s([2])])], { to: 1 });
  graph.output("scores", cast, "float32", ["batch", "tokens", 32]);
  const { decoder } = GENAI.model;
  const named = {
    model: {
      ...GENAI.model,
      decoder: {
        ...decoder,
        inputs: { input_ids: "tokens_in", past_key_names: "k_%d", past_value_names: "v_%d" },
        outputs: { logits: "scores", present_key_names: "out_k_%d", present_value_names: "out_v_%d" },
      },
    },
  };
  const { model } = await open(folder(t, { "phi.onnx": graph.build(), "genai_config.json": named }));
  assert.deepEqual(model.inputs.aliases, { tokens_in: "input_ids" });
  assert.deepEqual(model.prefill.past, { keys: ["k_0"], values: ["v_0"] });
  assert.deepEqual([model.numLayers, model.prefill.logits], [1, "scores"]);
});

test("a folder with weights is compiled, whatever graphs lie in it; graphs that are named are taken", async (t) => {
  const dir = folder(t, { "model.onnx": concat, "model.safetensors": "", "config.json": CONFIG });
  assert.equal(await openGraphs(dir, parseConfig().graphs), null);
  const { model } = await open(dir, { prefill: [join(dir, "model.onnx")] });
  assert.equal(model.decode, model.prefill);
});

test("a folder without graphs is none of ours", async (t) => {
  assert.equal(await openGraphs(folder(t, { "config.json": CONFIG }), parseConfig().graphs), null);
  assert.equal(await openGraphs(join(tmpdir(), "no-such-folder"), parseConfig().graphs), null);
});

test("sizes that a graph fixes are its buckets, and bound sequences", async (t) => {
  const fixed = toyDecoder({ form: "fixed", batch: 4, tokens: 1, past: 64 });
  const first = toyDecoder({ form: "prefill", batch: 2, tokens: 48 });
  const { model } = await open(folder(t, { "prefill.onnx": first, "decode.onnx": fixed }));
  assert.deepEqual(model.buckets, {
    seqLengths: [48],
    prefillBatchSizes: [2],
    decodeBatchSizes: [4],
    actLengths: [64],
  });
  assert.deepEqual([model.maxPositions, model.maxPromptLen], [64, 48]);
});

test("a graph without keys and values is computed anew for each token", async (t) => {
  const dir = folder(t, { "model.onnx": toyDecoder({ form: "none" }), "config.json": CONFIG });
  const { model } = await open(dir);
  assert.ok(isRecomputed(model));
  assert.deepEqual([model.numLayers, model.numKvHeads, model.headDim], [1, 1, 1]);
});

/** A graph with one odd input or output. */
function odd(type: "float32" | "int8", dims: readonly (number | string)[]): Uint8Array {
  const graph = new GraphBuilder("odd");
  graph.input("input_ids", "int64", ["batch", "tokens"]);
  for (const half of ["key", "value"]) {
    const past = graph.input(`past_key_values.0.${half}`, type, dims);
    graph.output(`present.0.${half}`, graph.node("Identity", [past]), type, dims);
  }
  const logits = graph.initializer("logit", "float32", [1, 1, 32], new Float32Array(32));
  graph.output("logits", graph.node("Identity", [logits]), "float32", ["batch", "tokens", 32]);
  return graph.build();
}

const kv = ["batch", 2, "past", 8];
const REFUSED: readonly (readonly [string, Files, PartialConfig["graphs"], RegExp])[] = [
  ["files that are no ONNX", { "model.onnx": "nonsense" }, {}, /is no ONNX model/],
  [
    "files that are cut off",
    { "model.onnx": concat.subarray(0, 3000) },
    {},
    /is no ONNX model, or it is cut off/,
  ],
  ["files that are not there", {}, { prefill: ["/nowhere/prefill.onnx"] }, /prefill\.onnx does not exist/],
  [
    "shards",
    {},
    { prefill: ["/a.onnx", "/b.onnx"], decode: ["/c.onnx", "/d.onnx"] },
    /names 2 files, one for each rank.*no operators for on the CPU/,
  ],
  [
    "several graphs without a usual name",
    { "a.onnx": concat, "b.onnx": gqa, "c.onnx": rows },
    {},
    /has 3 graphs \(a\.onnx, b\.onnx, c\.onnx\)/,
  ],
  [
    "a prefill without its decode",
    { "model.onnx": prefill },
    {},
    /gives keys and values and takes none; name the graph that takes them in graphs\.decode/,
  ],
  [
    "a decode graph of other sizes",
    { "prefill.onnx": prefill, "decode.onnx": odd("float32", ["batch", 4, "past", 8]) },
    {},
    /decode\.onnx has numLayers 1, the prefill graph 2: they are no pair/,
  ],
  [
    "a decode graph of another precision",
    { "prefill.onnx": prefill, "decode.onnx": toyDecoder({ form: "rows", tokens: 1, floats: "float16" }) },
    {},
    /has float16 keys and float16 logits, the prefill graph float32/,
  ],
  [
    "keys in 8 bits",
    { "model.onnx": odd("int8", kv) },
    {},
    /past_key_values\.0\.key is int8; keys, values and logits must be float32 or float16/,
  ],
  [
    "keys of three dimensions",
    { "model.onnx": odd("float32", ["heads", 8, "past"]) },
    {},
    /has 3 dimensions/,
  ],
  [
    "buckets that a fixed graph has not",
    { "model.onnx": toyDecoder({ form: "concat", tokens: 16 }) },
    { seqLengths: [16, 32] },
    /graphs\.seqLengths is \[16, 32\], but .*model\.onnx was exported for 16 alone/,
  ],
  [
    "a padded past that nothing tells apart",
    { "model.onnx": toyDecoder({ form: "concat", withoutMask: true }) },
    { actLengths: [64] },
    /has no input that says how much of it counts/,
  ],
  [
    "names that no input has",
    { "model.onnx": concat },
    { pastKeys: "a%d", pastValues: "b%d", presentKeys: "c%d", presentValues: "d%d" },
    /has no output c0/,
  ],
  [
    "a pipeline of genai",
    { "genai_config.json": { model: { decoder: { pipeline: [{}] } } } },
    {},
    /pipeline of several files/,
  ],
  [
    "a window of genai",
    { "genai_config.json": { model: { decoder: { sliding_window: { window_size: 4 } } } } },
    {},
    /window of keys and values/,
  ],
  [
    "a wrong genai_config.json",
    { "genai_config.json": { model: { decoder: { filename: 3 } } } },
    {},
    /"model\.decoder\.filename"/,
  ],
];

for (const [what, files, graphs, expected] of REFUSED) {
  test(`${what}: refused by name`, async (t) => {
    const dir = folder(t, { "config.json": CONFIG, ...files });
    await assert.rejects(() => openGraphs(dir, parseConfig({ graphs }).graphs), expected);
  });
}

test("without any word on the longest sequence the graphs are refused", async (t) => {
  await assert.rejects(() => open(folder(t, { "model.onnx": concat })), /Nothing says how many tokens/);
});
