/** What real models of the families have that the tiny golden ones do not show. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { describeModel } from "../../../src/model/architectures/registry.ts";
import type { DecoderDescription, LinearDescription } from "../../../src/model/decoder-description.ts";
import { assertFails } from "../assert-fails.ts";
import { llamaConfig } from "../make-checkpoint.ts";

const LLAMA = llamaConfig({ hidden: 64, mlp: 160, layers: 6, heads: 4, vocab: 512 });

function describe(architecture: string, config: Readonly<Record<string, unknown>>): DecoderDescription {
  const full = { ...config, architectures: [architecture] };
  return describeModel({ dir: "model", architecture, config: full, eosTokenIds: [], defaultParams: {} });
}

/** Firsts and lengths of the row ranges. */
function rowsOf({ weight }: LinearDescription): [first: number, count: number][] {
  return weight.map(({ firstRow, numRows }) => [firstRow, numRows]);
}

test("baichuan: which version and size it is", () => {
  const large = { ...LLAMA, max_position_embeddings: null, model_max_length: 4096 };
  const kinds = (name: string, config: Record<string, unknown>) => {
    const { head, ropes, layers, maxPositions } = describe(name, config);
    return [head.unitRows, ropes.length, layers[0]!.attention.alibiSlopes !== null, maxPositions];
  };
  assert.deepEqual(kinds("BaichuanForCausalLM", LLAMA), [true, 1, false, 128]);
  assert.deepEqual(kinds("BaichuanForCausalLM", large), [true, 0, true, 4096]);
  assert.deepEqual(kinds("BaichuanForCausalLM", { ...large, vocab_size: 64_000 }), [false, 0, true, 4096]);
  assert.deepEqual(kinds("BaiChuanForCausalLM", LLAMA), [false, 1, false, 128]);
});

test("phi-3 for long texts: factors by either name, length as configured", () => {
  const factors = { short_factor: [1, 1, 1, 1, 1, 1, 1, 1], long_factor: [1, 2, 3, 4, 5, 6, 7, 8] };
  for (const type of ["longrope", "su", "yarn"]) {
    const { ropes, maxPositions } = describe("Phi3ForCausalLM", {
      ...LLAMA,
      max_position_embeddings: 131_072,
      original_max_position_embeddings: 4096,
      rope_scaling: { type, ...factors },
    });
    assert.equal(maxPositions, 131_072);
    assert.deepEqual(ropes[0]!.scaling, {
      kind: "longrope",
      shortFactors: factors.short_factor,
      longFactors: factors.long_factor,
      originalMaxPositions: 4096,
      attentionFactor: 1.1902380714238083,
    });
  }
});

test("phi-3's window is on every layer", () => {
  const { layers } = describe("Phi3ForCausalLM", { ...LLAMA, sliding_window: 2047 });
  assert.ok(layers.every(({ attention }) => attention.window === 2047));
});

test("gemma 2 caps scores as the version of Transformers that wrote it, or as it says itself", () => {
  const softcap = (config: Record<string, unknown>) =>
    describe("Gemma2ForCausalLM", { ...LLAMA, ...config }).layers[0]!.attention.softcap;
  assert.equal(softcap({}), 50);
  assert.equal(softcap({ transformers_version: "4.42.0.dev0" }), 50);
  assert.equal(softcap({ transformers_version: "5.18.0" }), null);
  assert.equal(softcap({ transformers_version: "5.18.0", attn_implementation: "eager" }), 50);
  assert.equal(softcap({ attn_implementation: "sdpa" }), null);
  assert.equal(softcap({ attn_logit_softcapping: null }), null);
});

test("gemma 2 has a window on every other layer, gemma 3 on all but every sixth", () => {
  const windows = (name: string) =>
    describe(name, { ...LLAMA, sliding_window: 32 }).layers.map(({ attention }) => attention.window);
  assert.deepEqual(windows("Gemma2ForCausalLM"), [32, null, 32, null, 32, null]);
  assert.deepEqual(windows("Gemma3ForCausalLM"), [32, 32, 32, 32, 32, null]);
});

test("gemma 3 scales the rope of its full layers alone, and its length is stretched already", () => {
  const config = {
    ...LLAMA,
    max_position_embeddings: 131_072,
    rope_scaling: { rope_type: "linear", factor: 8 },
  };
  const { ropes, layers, maxPositions } = describe("Gemma3ForCausalLM", config);
  const scalings = layers.map(({ rotary }) => {
    const { theta, scaling } = ropes[rotary!.rope]!;
    return [theta, scaling.kind];
  });
  assert.deepEqual(scalings.slice(4), [
    [10_000, "none"],
    [1_000_000, "linear"],
  ]);
  assert.equal(maxPositions, 131_072);
});

test("internlm: its own spelling of dynamic scaling, biases unless switched off", () => {
  const rotary = { type: "dynamic", base: 50_000, scaling_factor: 2 };
  const { ropes, layers } = describe("InternLMForCausalLM", { ...LLAMA, rotary, bias: false });
  assert.deepEqual([ropes[0]!.theta, ropes[0]!.scaling.kind], [50_000, "dynamic"]);
  assert.equal(layers[0]!.qkv.bias, null);
});

test("internlm 2 keeps each KV head's rows together", () => {
  const { layers } = describe("InternLM2ForCausalLM", { ...LLAMA, num_key_value_heads: 2 });
  assert.deepEqual(rowsOf(layers[0]!.qkv), [
    [0, 32], // two query heads of the first KV head
    [64, 32],
    [32, 16], // its key
    [96, 16],
    [48, 16], // its value
    [112, 16],
  ]);
});

const BIGCODE = { vocab_size: 512, n_positions: 64, n_embd: 64, n_layer: 1, n_head: 4 };

test("gpt-bigcode packs one KV head for all, or a key and a value with each query", () => {
  const one = describe("GPTBigCodeForCausalLM", BIGCODE);
  assert.deepEqual([one.numKvHeads, rowsOf(one.layers[0]!.qkv)], [1, [[0, 96]]]);
  const all = describe("GPTBigCodeForCausalLM", { ...BIGCODE, multi_query: false });
  assert.equal(all.numKvHeads, 4);
  assert.deepEqual(rowsOf(all.layers[0]!.qkv).slice(0, 5), [
    [0, 16],
    [48, 16],
    [96, 16],
    [144, 16],
    [16, 16],
  ]);
});

const CHATGLM = {
  num_layers: 1,
  hidden_size: 64,
  ffn_hidden_size: 160,
  num_attention_heads: 4,
  padded_vocab_size: 512,
  seq_length: 8192,
};

test("chatglm: the first one has the name of the later ones", () => {
  const later = describe("ChatGLMModel", { ...CHATGLM, rope_ratio: 50, original_rope: false });
  assert.equal(later.prefixAttention, null);
  assert.deepEqual([later.ropes[0]!.theta, later.ropes[0]!.rotaryDim], [500_000, 8]);
  assert.equal(later.layers[0]!.rotary!.pairs, "halves");
  const first = { ...CHATGLM, inner_hidden_size: 160, vocab_size: 512, max_sequence_length: 2048 };
  const { prefixAttention, layers, ropes } = describe("ChatGLMModel", {
    ...first,
    position_encoding_2d: true,
  });
  assert.deepEqual(prefixAttention, { numCausalTokens: 1 });
  assert.equal(ropes[0]!.positions, "prefix-and-block");
  assert.deepEqual(layers[0]!.residual, { kind: "normed", scale: Math.SQRT2 });
});

test("bloom and chatglm may carry on the normed rows", () => {
  const flag = { apply_residual_connection_post_layernorm: true };
  const bloom = describe("BloomForCausalLM", {
    vocab_size: 512,
    n_embed: 64,
    num_hidden_layers: 1,
    n_head: 4,
    ...flag,
  });
  for (const { layers } of [bloom, describe("ChatGLMModel", { ...CHATGLM, ...flag })])
    assert.deepEqual(layers[0]!.residual, { kind: "normed", scale: 1 });
});

const MOE = { ...LLAMA, num_experts: 8, num_experts_per_tok: 2, moe_intermediate_size: 32 };

test("qwen mixtures: on the layers that config.json says, qwen 2's with a shared expert", () => {
  const kinds = (config: Record<string, unknown>) =>
    describe("Qwen3MoeForCausalLM", { ...MOE, ...config }).layers.map(({ mlp }) => mlp.kind);
  const [one, many] = ["gated", "mixture"];
  assert.deepEqual(kinds({ decoder_sparse_step: 2 }), [one, many, one, many, one, many]);
  assert.deepEqual(kinds({ mlp_only_layers: [0, 3] }), [one, many, many, one, many, many]);
  const { layers } = describe("Qwen2MoeForCausalLM", { ...MOE, shared_expert_intermediate_size: 96 });
  const { mlp, qkv } = layers[0]!;
  assert.ok(mlp.kind === "mixture" && mlp.shared !== null && !mlp.normalizeWeights && qkv.bias !== null);
  assert.equal(mlp.shared.mlp.down.inputs, 96);
});

test("refused: what no description can be right for", async () => {
  const cases = [
    [
      "MixtralForCausalLM",
      { ...LLAMA, num_local_experts: 2, num_experts_per_tok: 3 },
      "invalid_model",
      "2 experts",
    ],
    ["ChatGLMModel", { ...CHATGLM, post_layer_norm: false }, "unsupported_model", "post_layer_norm"],
    ["GPTBigCodeForCausalLM", { ...BIGCODE, n_head: 5 }, "invalid_model", "5 heads"],
    ["BloomForCausalLM", { vocab_size: 512, n_layer: 1, n_head: 4 }, "invalid_model", "hidden_size"],
  ] as const;
  for (const [name, config, code, part] of cases)
    await assertFails(() => describe(name, config), code, "model/config.json", part);
});
