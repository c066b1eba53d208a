import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { describeModel } from "../../../src/model/architectures/registry.ts";
import { readModelFolder } from "../../../src/model/model-folder.ts";
import { WeightStore } from "../../../src/model/safetensors/weight-store.ts";
import { axisSize } from "../../../src/model/tensor-parallel/tensor-cut.ts";
import { REPLICATED, tensorCuts } from "../../../src/model/tensor-parallel/tensor-cuts.ts";

const GOLDEN = "test/golden/models";

async function cutsOf(name: string) {
  return tensorCuts(describeModel(await readModelFolder(join(GOLDEN, name))));
}

for (const name of readdirSync(GOLDEN)) {
  test(`${name}: every cut covers its axis`, async () => {
    const { matrices, biases } = await cutsOf(name);
    await using store = await WeightStore.open(join(GOLDEN, name));
    for (const { name: tensor, shape } of store.files[0]!.tensors) {
      const cut = matrices.get(tensor)?.cut ?? biases.get(tensor) ?? REPLICATED;
      if (cut.kind === "cut") assert.equal(axisSize(cut), shape[cut.axis], tensor);
      const matrix = matrices.get(tensor);
      if (matrix !== undefined) assert.equal(matrix.inputs, shape[1], tensor);
    }
  });
}

test("a projection packed by KV head is a group for each", async () => {
  const { matrices, biases } = await cutsOf("internlm2");
  const cut = matrices.get("model.layers.0.attention.wqkv.weight")?.cut;
  assert.ok(cut?.kind === "cut");
  assert.equal(cut.numGroups, 2);
  assert.deepEqual(
    cut.parts.map(({ name, numUnits }) => `${name} ${numUnits}`),
    ["query 2", "key 1", "value 1"],
  );
  assert.equal(biases.size, 0);
});

test("biases go with the outputs; behind a sum they stay whole", async () => {
  const { biases } = await cutsOf("starcoder2");
  const kinds = ["self_attn.q_proj", "self_attn.o_proj", "mlp.c_fc", "mlp.c_proj"].map(
    (module) => biases.get(`model.layers.0.${module}.bias`)?.kind,
  );
  assert.deepEqual(kinds, ["cut", "replicated", "cut", "replicated"]);
});

test("routers stay whole and float; a tied table is both table and head", async () => {
  const mixture = await cutsOf("qwen3-moe");
  const router = mixture.matrices.get("model.layers.1.mlp.gate.weight")!;
  assert.deepEqual([router.cut.kind, router.isFloat], ["replicated", true]);
  const tied = await cutsOf("qwen2-tied");
  assert.ok(tied.tables.has("model.embed_tokens.weight") && tied.matrices.has("model.embed_tokens.weight"));
});
