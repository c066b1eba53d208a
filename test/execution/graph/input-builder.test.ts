import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { PartialConfig } from "../../../src/config/load-config.ts";
import { commonInputs } from "../../../src/execution/graph/common-inputs.ts";
import {
  type ChosenBuilders,
  chooseBuilders,
  type GraphStep,
} from "../../../src/execution/graph/input-builder.ts";
import type { GraphInputs } from "../../../src/model/graphs/graph-model.ts";
import { GraphBuilder } from "../../../src/model/onnx/graph-builder.ts";
import { graphStage } from "./graph-stage.ts";
import { toyDecoder } from "./toy-decoder.ts";

const INPUTS: GraphInputs = {
  module: null,
  basic: "common",
  extra: null,
  warmup: null,
  aliases: {},
  padTokenId: 0,
};

const step: GraphStep = {
  phase: "decode",
  rows: [
    { tokenIds: Int32Array.of(7), contextLen: 3 },
    { tokenIds: Int32Array.of(8), contextLen: 1 },
  ],
  numTokens: 1,
  pastLength: 4,
  pastSide: "end",
  padTokenId: 9,
};

function moduleFile(t: TestContext, text: string): string {
  const dir = mkdtempSync(join(tmpdir(), "troupe-inputs-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const path = join(dir, "inputs.mjs");
  writeFileSync(path, text);
  return path;
}

async function choose(
  inputs: Partial<GraphInputs>,
): Promise<ChosenBuilders & { readonly warnings: string[] }> {
  const warnings: string[] = [];
  const chosen = await chooseBuilders({ ...INPUTS, ...inputs }, (message) => void warnings.push(message));
  return { ...chosen, warnings };
}

const values = (tensor: { readonly values: ArrayLike<number> } | undefined) =>
  Array.from(tensor?.values ?? []);

test("common inputs of a decode: padding before the past, lengths with the new token", () => {
  const built = commonInputs(step);
  assert.deepEqual(values(built.attention_mask), [0, 1, 1, 1, 1, 0, 0, 0, 1, 1]);
  assert.deepEqual(
    values(commonInputs({ ...step, pastSide: "start" }).attention_mask),
    [1, 1, 1, 0, 1, 1, 0, 0, 0, 1],
  );
  assert.deepEqual(values(built.position_ids), [3, 1]);
  assert.deepEqual(values(built.batch_valid_length), [4, 2]);
  assert.deepEqual(values(built.current_index), [3, 5]);
  assert.deepEqual([values(built.init_reset), values(built.use_cache_branch)], [[1], [1]]);
  assert.deepEqual(built.zactivate_len?.dims, [4]);
});

test("common inputs of a prefill: padding behind the tokens", () => {
  const rows = [
    { tokenIds: Int32Array.of(5, 6, 7), contextLen: 0 },
    { tokenIds: Int32Array.of(0), contextLen: 0 },
  ];
  const built = commonInputs({ ...step, phase: "prefill", rows, numTokens: 4, pastLength: 0 });
  assert.deepEqual(values(built.input_ids), [5, 6, 7, 9, 0, 9, 9, 9]);
  assert.deepEqual(values(built.attention_mask), [1, 1, 1, 0, 1, 0, 0, 0]);
  assert.deepEqual(values(built.position_ids), [0, 1, 2, 2, 0, 0, 0, 0]);
  assert.deepEqual(values(built.batch_valid_length), [3, 1]);
  assert.deepEqual(values(built.current_index), [2, 4]);
  assert.deepEqual([values(built.init_reset), values(built.use_cache_branch)], [[0], [0]]);
  assert.deepEqual(built.zactivate_len?.dims, [4]);
});

test("a builder is found by its name, by the longest beginning, else it is common with a warning", async (t) => {
  const module = moduleFile(
    t,
    "const of = (value) => () => ({ x: { dims: [], values: [value] } });\n" +
      "export default { mine: of(1), mine_2: of(2), Llama: of(3) };",
  );
  const x = async (basic: string) => values((await choose({ module, basic })).build(step).x);
  assert.deepEqual(await x("mine"), [1]);
  assert.deepEqual(await x("mine_2"), [2]);
  assert.deepEqual(await x("mine_2_large"), [2]);
  assert.deepEqual(await x("LlamaBasicInputs"), [3]);
  const unknown = await choose({ module, basic: "others" });
  assert.deepEqual(unknown.build(step), commonInputs(step));
  assert.deepEqual(unknown.warnings, ['No input builder "others" is registered; common is used.']);
  for (const known of [
    "LlamaBasicInputs",
    "InternLMWarmupInputs",
    "WizardCoderExtraInputs",
    "llama_7b",
    "glm2_6b",
  ])
    assert.deepEqual((await choose({ basic: known })).warnings, []);
});

test("extra inputs lie over basic ones; warm-up has its own", async (t) => {
  const module = moduleFile(
    t,
    "export default { more: () => ({ tokens: { dims: [1], values: [42] } }), cold: () => ({}) };",
  );
  const { build, warmup } = await choose({ module, extra: "more", warmup: "cold" });
  assert.deepEqual([values(build(step).tokens), values(build(step).input_ids)], [[42], [7, 8]]);
  assert.deepEqual(warmup(step), {});
});

for (const [text, expected] of [
  ["export const builders = {};", /must have a default export of builders by name/],
  ["export default { mine: 3 };", /must have a default export of builders by name/],
  ["this is no program", /cannot be loaded/],
] as const) {
  test(`a module that says "${text}" is refused`, async (t) => {
    await assert.rejects(choose({ module: moduleFile(t, text) }), expected);
  });
}

/** A graph that wants one more input than everybody gives. */
function wanting(type: "int64" | "float32" | "int8", dims: readonly (string | number)[]): Uint8Array {
  const graph = new GraphBuilder("wanting");
  graph.input("input_ids", "int64", ["batch", "tokens"]);
  const table = graph.input("table", type, dims);
  const logit = graph.node("ReduceSum", [graph.node("Cast", [table], { to: 1 })], { keepdims: 0 });
  graph.output("logits", graph.node("Expand", [logit, graph.int64s([1, 1, 32])]), "float32", [
    "batch",
    1,
    32,
  ]);
  return graph.build();
}

async function stageOf(
  t: TestContext,
  bytes: Uint8Array,
  text: string | null,
  graphs: PartialConfig["graphs"] = {},
) {
  const inputs = text === null ? {} : { inputModule: moduleFile(t, text), extraInputs: "mine" };
  return await graphStage({ files: { "model.onnx": bytes }, graphs: { ...graphs, ...inputs } });
}

const table = (dims: string, list: string) =>
  `export default { mine: () => ({ table: { dims: ${dims}, values: ${list} } }) };`;

for (const [what, bytes, text, expected] of [
  [
    "that nobody gives",
    wanting("int64", ["batch", 4]),
    null,
    /input table \(int64 \[batch, 4\]\) is wanted, which no input builder gives \(input_ids, tokens/,
  ],
  [
    "of another shape",
    wanting("int64", ["batch", 4]),
    table("[1, 3]", "[1, 2, 3]"),
    /input table is \[batch, 4\] and was given \[1, 3\]/,
  ],
  [
    "of another rank",
    wanting("int64", [4]),
    table("[1, 4]", "[1, 2, 3, 4]"),
    /input table is \[4\] and was given \[1, 4\]/,
  ],
  [
    "with too few values",
    wanting("int64", [4]),
    table("[4]", "[1]"),
    /input table was given 1 values for \[4\]/,
  ],
  [
    "with a fraction for an integer",
    wanting("int64", [1]),
    table("[1]", "[0.5]"),
    /input table is int64 and was given 0\.5/,
  ],
  [
    "of a type that cannot be given",
    wanting("int8", [1]),
    table("[1]", "[1]"),
    /input table is int8, which no builder can give/,
  ],
] as const) {
  test(`an input ${what} is named at the start`, async (t) => {
    await assert.rejects(stageOf(t, bytes, text), expected);
  });
}

test("a graph over block tables is refused with what it would need", async () => {
  const graph = new GraphBuilder("paged");
  const ids = graph.input("tokens", "int64", ["batch", "tokens"]);
  graph.input("slot_mapping", "int64", ["slots"]);
  graph.output(
    "logits",
    graph.node("Cast", [graph.node("Unsqueeze", [ids, graph.int64s([2])])], { to: 1 }),
    "float32",
    ["batch", "tokens", 1],
  );
  await assert.rejects(
    graphStage({ files: { "model.onnx": graph.build() } }),
    /belongs to paged attention inside the graph/,
  );
});

test("what a builder adds reaches the graph", async (t) => {
  using loaded = await stageOf(t, wanting("float32", [2]), table("[2]", "[1.5, 2]"));
  const [row] = loaded.stage.step([{ sequence: loaded.stage.begin([1, 2]), numTokens: 2 }]);
  assert.equal(row![0], 3.5);
});

test("a graph that gives other keys than its header says is at fault", async () => {
  const graph = new GraphBuilder("liar");
  const ids = graph.input("input_ids", "int64", ["batch", "tokens"]);
  for (const half of ["key", "value"]) {
    const past = graph.input(`past_key_values.0.${half}`, "float32", ["batch", 2, "past", 8]);
    graph.output(`present.0.${half}`, graph.node("Identity", [past]), "float32", ["batch", 2, "length", 8]);
  }
  graph.output(
    "logits",
    graph.node("Cast", [graph.node("Unsqueeze", [ids, graph.int64s([2])])], { to: 1 }),
    "float32",
    ["batch", "tokens", 1],
  );
  using loaded = await graphStage({ files: { "model.onnx": graph.build() } });
  assert.throws(
    () => loaded.stage.step([{ sequence: loaded.stage.begin([0, 0, 0]), numTokens: 3 }]),
    /gave keys and values of \[1, 2, 0, 8\]; expected a length of 3 \(the new tokens\), 3 \(all\)/,
  );
});

test("a sequence longer than the last active length is refused by its bucket", async () => {
  const graphs = { actLengths: [8, 16] };
  using loaded = await graphStage({ files: { "model.onnx": toyDecoder({ form: "concat" }) }, graphs });
  const sequence = loaded.stage.begin(Array.from({ length: 20 }, () => 1));
  loaded.stage.step([{ sequence, numTokens: 16 }]);
  assert.throws(
    () => loaded.stage.step([{ sequence, numTokens: 1 }]),
    /needs 17 where the largest of graphs\.actLengths is 16/,
  );
});
