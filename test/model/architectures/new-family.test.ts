import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Architecture } from "../../../src/model/architectures/architecture.ts";
import { llama } from "../../../src/model/architectures/llama.ts";
import { compileModel } from "../../../src/model/compile/compile-model.ts";
import type { LayerDescription, RowRange } from "../../../src/model/decoder-description.ts";
import type { GatedMlpDescription } from "../../../src/model/mlp-description.ts";
import { WeightStore } from "../../../src/model/safetensors/weight-store.ts";
import { openChain } from "../compile/segment-chain.ts";
import { safetensors, type TensorSource, temporaryDir } from "../make-checkpoint.ts";

const golden = fileURLToPath(new URL("../../golden/models/llama2", import.meta.url));
const [HIDDEN, MLP] = [64, 160];

const part = (tensor: string, tensorRows: number, firstRow: number, numRows: number): RowRange => {
  return { tensor, tensorRows, firstRow, numRows };
};

/** Llama with v, q and k in one tensor, and up before gate in another: the whole of a new family. */
const packed: Architecture = {
  names: ["PackedForCausalLM"],
  describe(folder) {
    const decoder = llama.describe(folder);
    const layers = decoder.layers.map((layer, index): LayerDescription => {
      const vqk = `layers.${index}.vqk`;
      const upGate = `layers.${index}.up_gate`;
      const thirds = [1, 2, 0].map((third) => part(vqk, 3 * HIDDEN, third * HIDDEN, HIDDEN));
      const halves = [1, 0].map((half) => part(upGate, 2 * MLP, half * MLP, MLP));
      const mlp = layer.mlp as GatedMlpDescription;
      const gateUp = { ...mlp.gateUp, weight: halves };
      return { ...layer, qkv: { ...layer.qkv, weight: thirds }, mlp: { ...mlp, gateUp } };
    });
    return { ...decoder, layers };
  },
};

/** Golden llama2 with its tensors packed as the family above has them. */
async function writePacked(dir: string): Promise<void> {
  const config = JSON.parse(readFileSync(join(golden, "config.json"), "utf8")) as Record<string, unknown>;
  await using store = await WeightStore.open(golden);
  const read = async (name: string, shape: number[]): Promise<TensorSource> => {
    const tensor = store.tensor(name, shape);
    const data = new Uint8Array(tensor.numBytes);
    await store.read(tensor, 0, data);
    return { dtype: tensor.dataType, shape, data };
  };
  const tensors: Record<string, TensorSource> = {};
  const stack = async (target: string, names: readonly string[], rows: number) => {
    const parts = await Promise.all(names.map((name) => read(name, [rows, HIDDEN])));
    const data = Buffer.concat(parts.map((piece) => piece.data as Uint8Array));
    tensors[target] = { dtype: "F32", shape: [names.length * rows, HIDDEN], data };
  };
  for (const name of ["model.embed_tokens.weight", "lm_head.weight"])
    tensors[name] = await read(name, [512, HIDDEN]);
  tensors["model.norm.weight"] = await read("model.norm.weight", [HIDDEN]);
  for (const [index, layer] of ["model.layers.0", "model.layers.1"].entries()) {
    await stack(
      `layers.${index}.vqk`,
      ["v", "q", "k"].map((name) => `${layer}.self_attn.${name}_proj.weight`),
      HIDDEN,
    );
    await stack(
      `layers.${index}.up_gate`,
      ["up", "gate"].map((name) => `${layer}.mlp.${name}_proj.weight`),
      MLP,
    );
    tensors[`${layer}.self_attn.o_proj.weight`] = await read(`${layer}.self_attn.o_proj.weight`, [
      HIDDEN,
      HIDDEN,
    ]);
    tensors[`${layer}.mlp.down_proj.weight`] = await read(`${layer}.mlp.down_proj.weight`, [HIDDEN, MLP]);
    for (const norm of ["input_layernorm", "post_attention_layernorm"]) {
      tensors[`${layer}.${norm}.weight`] = await read(`${layer}.${norm}.weight`, [HIDDEN]);
    }
  }
  mkdirSync(dir);
  writeFileSync(join(dir, "config.json"), JSON.stringify({ ...config, architectures: packed.names }));
  writeFileSync(join(dir, "model.safetensors"), safetensors(tensors));
}

test("a family with packed projections is a table of row ranges", async () => {
  using dir = temporaryDir();
  await writePacked(join(dir.path, "packed"));
  const options = { cacheDir: join(dir.path, "cache"), precision: "w8", layout: "blocks" } as const;
  const modelDir = join(dir.path, "packed");
  using ours = openChain(await compileModel({ ...options, modelDir, architectures: [packed] }));
  using llama2 = openChain(await compileModel({ ...options, modelDir: golden }));
  assert.deepEqual(ours.logits([1, 2, 3]), llama2.logits([1, 2, 3]));
});
