import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { describeModel } from "../../../src/model/architectures/registry.ts";
import { mlpLinears } from "../../../src/model/mlp-description.ts";
import { type ModelFolder, readModelFolder } from "../../../src/model/model-folder.ts";
import { assertFails } from "../assert-fails.ts";
import { llamaConfig } from "../make-checkpoint.ts";

const golden = fileURLToPath(new URL("../../golden/models/", import.meta.url));
const SIZES = { hidden: 64, mlp: 160, layers: 4, heads: 4, vocab: 512 };

function folderOf(config: Readonly<Record<string, unknown>>): ModelFolder {
  const architecture = (config.architectures as string[])[0]!;
  return { dir: "model", architecture, config, eosTokenIds: [], defaultParams: {} };
}

function describe(changes: Readonly<Record<string, unknown>>) {
  return describeModel(folderOf({ ...llamaConfig(SIZES), ...changes }));
}

/** The same settings as Transformers 4 wrote them; undefined where both wrote the same. */
function inOldSpelling(config: Readonly<Record<string, unknown>>): Record<string, unknown> | undefined {
  const { rope_parameters: parameters, dtype, ...rest } = config;
  if (parameters === undefined) return undefined;
  const { full_attention: full, sliding_attention: sliding } = parameters as Record<
    string,
    { rope_theta: number }
  >;
  if (full !== undefined && sliding !== undefined)
    return { ...rest, rope_theta: full.rope_theta, rope_local_base_freq: sliding.rope_theta };
  const {
    rope_theta: theta,
    rope_type: type,
    partial_rotary_factor: _,
    ...scaling
  } = parameters as Record<string, unknown>;
  return {
    ...rest,
    torch_dtype: dtype,
    rope_theta: theta,
    rope_scaling: type === "default" ? null : { type, ...scaling },
  };
}

const names = readdirSync(golden);
const folders = await Promise.all(names.map((name) => readModelFolder(join(golden, name))));
for (const folder of folders) {
  const old = inOldSpelling(folder.config);
  if (old === undefined) continue;
  test(`${basename(folder.dir)} is described alike in both spellings of config.json`, () => {
    assert.deepEqual(describeModel({ ...folder, config: old }), describeModel(folder));
  });
}

test("the golden families are there", () => assert.ok(names.length >= 6));

test("an unknown architecture is named with the nearest and all supported ones", async () => {
  const run = () => describe({ architectures: ["Qwen4ForCausalLM"] });
  await assertFails(
    run,
    "unsupported_model",
    "Qwen4ForCausalLM",
    "nearest is Qwen",
    "LlamaForCausalLM",
    "MistralForCausalLM",
  );
});

test("defaults of absent keys are Transformers' own", () => {
  const { numKvHeads, headDim, head, ropes, maxPositions } = describe({});
  assert.deepEqual({ numKvHeads, headDim, maxPositions }, { numKvHeads: 4, headDim: 16, maxPositions: 128 });
  assert.equal(head.weight[0]?.tensor, "lm_head.weight");
  assert.deepEqual(ropes, [{ rotaryDim: 16, theta: 10000, scaling: { kind: "none" } }]);
});

test("tied embeddings are the head", () => {
  assert.equal(describe({ tie_word_embeddings: true }).head.weight[0]?.tensor, "model.embed_tokens.weight");
});

test("llama's bias switches reach every projection they are about", () => {
  const [layer] = describe({ attention_bias: true, mlp_bias: true }).layers;
  assert.equal(layer?.qkv.bias?.[2]?.tensor, "model.layers.0.self_attn.v_proj.bias");
  assert.equal(layer?.output.bias?.[0]?.tensor, "model.layers.0.self_attn.o_proj.bias");
  assert.deepEqual(
    mlpLinears(layer!.mlp).flatMap((linear) => linear.bias?.map((range) => range.tensor)),
    ["gate_proj", "up_proj", "down_proj"].map((name) => `model.layers.0.mlp.${name}.bias`),
  );
});

function windows(changes: Readonly<Record<string, unknown>>): (number | null)[] {
  return describe(changes).layers.map((layer) => layer.attention.window);
}

test("mistral's window: absent is 4096, null is none", () => {
  const architectures = ["MistralForCausalLM"];
  assert.deepEqual(windows({ architectures }), [4096, 4096, 4096, 4096]);
  assert.deepEqual(windows({ architectures, sliding_window: null }), [null, null, null, null]);
  assert.deepEqual(windows({ architectures, sliding_window: 32 }), [32, 32, 32, 32]);
});

test("qwen's window: only when switched on, by layer types or from max_window_layers on", () => {
  const qwen = { architectures: ["Qwen2ForCausalLM"], sliding_window: 32, max_window_layers: 2 };
  assert.deepEqual(windows(qwen), [null, null, null, null]);
  assert.deepEqual(windows({ ...qwen, use_sliding_window: true }), [null, null, 32, 32]);
  const [full, sliding] = ["full_attention", "sliding_attention"];
  const types = { ...qwen, use_sliding_window: true, layer_types: [sliding, full, sliding, full] };
  assert.deepEqual(windows(types), [32, null, 32, null]);
});

test("ropes may differ between layer types", () => {
  const { ropes, layers } = describe({
    layer_types: ["sliding_attention", "full_attention", "sliding_attention", "full_attention"],
    rope_parameters: {
      full_attention: { rope_type: "linear", factor: 8, rope_theta: 1e6 },
      sliding_attention: { rope_type: "default", rope_theta: 1e4 },
    },
  });
  assert.deepEqual(
    ropes.map((rope) => [rope.theta, rope.scaling.kind]),
    [
      [1e6, "linear"],
      [1e4, "none"],
    ],
  );
  assert.deepEqual(
    layers.map((layer) => layer.rotary?.rope),
    [1, 0, 1, 0],
  );
});

test("scaling stretches the longest sequence as in vLLM", () => {
  const maxOf = (rope_scaling: unknown) => describe({ rope_scaling }).maxPositions;
  assert.equal(maxOf({ type: "linear", factor: 4 }), 512);
  assert.equal(maxOf({ type: "yarn", factor: 4, original_max_position_embeddings: 64 }), 256);
  const llama3 = { rope_type: "llama3", factor: 8, low_freq_factor: 1, high_freq_factor: 4 };
  assert.equal(maxOf({ ...llama3, original_max_position_embeddings: 16 }), 128);
});

const refused: Readonly<
  Record<
    string,
    readonly [
      changes: Record<string, unknown>,
      code: "invalid_model" | "unsupported_model",
      ...parts: string[],
    ]
  >
> = {
  "an unknown rope type": [{ rope_scaling: { type: "helix" } }, "unsupported_model", "helix", "yarn"],
  "longrope with factors for another number of dimensions": [
    { rope_scaling: { type: "longrope", short_factor: [1], long_factor: [1] } },
    "invalid_model",
    "longrope",
    "8 numbers",
  ],
  "a rope without its factor": [{ rope_scaling: { type: "linear" } }, "invalid_model", "linear", "factor"],
  "an activation it cannot compute": [{ hidden_act: "relu6" }, "unsupported_model", "relu6", "silu"],
  "a size of the wrong type": [{ hidden_size: "64" }, "invalid_model", "config.json", "hidden_size"],
  "heads that do not divide the hidden size": [{ num_attention_heads: 5 }, "invalid_model", "64", "5 heads"],
  "heads that do not share KV heads": [{ num_key_value_heads: 3 }, "invalid_model", "4 heads", "3 KV heads"],
  "layer types for another number of layers": [
    { layer_types: ["full_attention"] },
    "invalid_model",
    "1 entries",
    "4 layers",
  ],
  "a layer type without a rope": [
    { rope_parameters: { full_attention: {} }, layer_types: ["x", "x", "x", "x"] },
    "invalid_model",
    '"x"',
  ],
};
for (const [what, [changes, code, ...parts]] of Object.entries(refused)) {
  test(`refused: ${what}`, () => assertFails(() => describe(changes), code, ...parts));
}
