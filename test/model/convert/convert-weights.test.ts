import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { compileModel } from "../../../src/model/compile/compile-model.ts";
import type { Precision } from "../../../src/model/compiled-model.ts";
import { BLOCK_SIZES, QUANTIZED_PRECISIONS } from "../../../src/model/precisions/stored-form.ts";
import { widen } from "../../../src/model/safetensors/element-types.ts";
import type { RankPlace } from "../../../src/model/tensor-parallel/tensor-cut.ts";
import { assertFails } from "../assert-fails.ts";
import { safetensors, writeRandomLlama } from "../make-checkpoint.ts";
import { bytesOf, GOLDEN, tensorsOf, weightsPlace } from "./weights-place.ts";

const FILE = "model.safetensors";
const LLAMA = `${GOLDEN}/llama2`;

/** Every file of a compiled model. */
async function compiled(modelDir: string, precision: Precision | null, cacheDir: string, place?: RankPlace) {
  const options = { modelDir, precision, cacheDir, ...(place && { place }) };
  const { dir, model } = await compileModel(options);
  return {
    precision: model.precision,
    files: readdirSync(dir).map((name) => [name, bytesOf(dir, name)] as const),
  };
}

// A tied head, a packed one by KV head, experts with routers, normalised head rows.
for (const name of ["qwen2-tied", "internlm2", "mixtral-moe", "baichuan2-7b"]) {
  for (const precision of QUANTIZED_PRECISIONS) {
    test(`${name} converted to ${precision} compiles to the same bits as the original, split or not`, async () => {
      using place = weightsPlace();
      await place.convert(`${GOLDEN}/${name}`, "converted", precision);
      const original = await compiled(`${GOLDEN}/${name}`, precision, place.cacheDir);
      assert.deepEqual(await compiled(place.at("converted"), null, place.cacheDir), original);
      if (precision !== "w8") return;
      await place.split("converted", "two", 2);
      assert.deepEqual(await compiled(place.at("two"), "w8", place.cacheDir), original);
    });
  }
}

for (const [name, precision] of [
  ["models/understudy", "w4"],
  [`${GOLDEN}/mixtral-moe`, "w8"],
  [`${GOLDEN}/baichuan2-7b`, "w8"],
] as const) {
  test(`a rank's part of ${name} in ${precision} has the same bits from floats, from ${precision} and from shards`, async () => {
    using place = weightsPlace();
    const second = { rank: 1, size: 2 };
    const original = await compiled(name, precision, place.cacheDir, second);
    await place.convert(name, "converted", precision);
    assert.deepEqual(await compiled(place.at("converted"), null, place.cacheDir, second), original);
    await place.split("converted", "two", 2);
    assert.deepEqual(await compiled(place.at("two"), null, place.cacheDir, second), original);
  });
}

for (const precision of ["w4", "w4g128"] as const) {
  test(`ranks whose share of heads is no block of ${precision} weights compile from converted ones as from floats`, async () => {
    using place = weightsPlace();
    await place.convert(LLAMA, "packed", precision);
    const rank = { rank: 1, size: 4 };
    const original = await compiled(LLAMA, precision, place.cacheDir, rank);
    assert.deepEqual(await compiled(place.at("packed"), null, place.cacheDir, rank), original);
  });
}

test("in w4g128, a rank's part of a model with blocks enough has the same bits from floats, from w4g128 and from shards", async () => {
  using place = weightsPlace();
  mkdirSync(place.at("model"));
  writeRandomLlama(place.at("model"), { hidden: 256, mlp: 512, layers: 1, heads: 4, vocab: 40 });
  const second = { rank: 1, size: 2 };
  const original = await compiled(place.at("model"), "w4g128", place.cacheDir, second);
  await place.convert("model", "converted", "w4g128");
  assert.deepEqual(await compiled(place.at("converted"), null, place.cacheDir, second), original);
  await place.split("converted", "two", 2);
  assert.deepEqual(await compiled(place.at("two"), null, place.cacheDir, second), original);
});

test("a split float folder compiles as the whole does", async () => {
  using place = weightsPlace();
  await place.split(`${GOLDEN}/gemma2`, "four", 4);
  const original = await compiled(`${GOLDEN}/gemma2`, "w4", place.cacheDir);
  assert.deepEqual(await compiled(place.at("four"), "w4", place.cacheDir), original);
});

test("a quantised folder implies its precision; asking for another is refused", async () => {
  using place = weightsPlace();
  await place.convert(LLAMA, "w8", "w8");
  const run = () => compiled(place.at("w8"), "w4", place.cacheDir);
  await assertFails(run, "invalid_model", "w8 weights", "cannot be compiled to w4");
  await assertFails(() => place.convert("w8", "w4", "w4"), "invalid_model", "w8 already");
  await place.convert(LLAMA, "w4", "w4");
  const coarser = () => compiled(place.at("w4"), "w4g128", place.cacheDir);
  await assertFails(coarser, "invalid_model", "w4 weights", "cannot be compiled to w4g128");
  await assertFails(() => place.convert("w4", "x", "w4g128"), "invalid_model", "w4 already");
  const { precision } = await compiled(LLAMA, null, place.cacheDir);
  assert.equal(precision, "fp32");
});

test("back from w8 to floats, every weight is within half a step of its row", async () => {
  using place = weightsPlace();
  await place.convert(LLAMA, "w8", "w8");
  const { wasWritten } = await place.convert("w8", "floats", "fp32");
  assert.ok(wasWritten);
  const before = tensorsOf(LLAMA, FILE);
  const after = tensorsOf(place.at("floats"), FILE);
  assert.deepEqual([...after.keys()], [...before.keys()]);
  for (const [name, { shape, bytes }] of before) {
    assert.deepEqual(after.get(name)!.shape, shape);
    const columns = shape[1] ?? 1;
    const [was, is] = [bytes, after.get(name)!.bytes].map(
      (raw) => new Float32Array(new Uint8Array(raw).buffer),
    );
    const isMatrix = shape.length === 2 && !name.includes("embed_tokens");
    for (let start = 0; start < was!.length; start += columns) {
      const row = was!.subarray(start, start + columns);
      const step = isMatrix ? Math.max(...row.map(Math.abs)) / 127 : 0;
      for (let i = start; i < start + columns; i++) {
        assert.ok(Math.abs(was![i]! - is![i]!) <= step * 0.5001, `${name}[${i}]`);
      }
    }
  }
});

for (const [precision, numBlocks, blockBytes] of [
  ["w4", 5, 16],
  ["w4g128", 2, 64],
] as const) {
  test(`${precision} keeps packed blocks and their scales, and goes back to the shape it had`, async () => {
    using place = weightsPlace();
    await place.convert(LLAMA, "packed", precision);
    const tensors = tensorsOf(place.at("packed"), FILE);
    const name = "model.layers.0.mlp.down_proj.weight";
    assert.deepEqual(tensors.get(`${name}.int4`)!.shape, [64, numBlocks, blockBytes]);
    assert.deepEqual(tensors.get(`${name}.scale`)!.shape, [64, numBlocks]);
    assert.equal(tensors.has(name), false);
    const manifest = JSON.parse(readFileSync(join(place.at("packed"), "troupe-weights.json"), "utf8"));
    assert.deepEqual([manifest.precision, manifest.block], [precision, BLOCK_SIZES[precision]]);
    await place.convert("packed", "floats", "fp32");
    assert.deepEqual(tensorsOf(place.at("floats"), FILE).get(name)!.shape, [64, 160]);
  });
}

test("a w4 file has the bytes it always had", async () => {
  using place = weightsPlace();
  await place.convert(LLAMA, "w4", "w4");
  const expected = "73c6d5b72a0dbcf9afc9afadf31b15609ff4e464b65450854198cdc0e01051c3";
  assert.equal(
    createHash("sha256")
      .update(bytesOf(place.at("w4"), FILE))
      .digest("hex"),
    expected,
  );
});

test("float types: config.json names the new one, and widening again gives the rounded values", async () => {
  using place = weightsPlace();
  await place.convert(LLAMA, "half", "bf16");
  const { torch_dtype, dtype } = JSON.parse(readFileSync(join(place.at("half"), "config.json"), "utf8"));
  assert.equal(dtype ?? torch_dtype, "bfloat16");
  await place.convert("half", "wide", "fp32");
  const [rounded, widened] = [tensorsOf(place.at("half"), FILE), tensorsOf(place.at("wide"), FILE)];
  for (const [name, { dtype: type, bytes }] of rounded) {
    assert.equal(type, "BF16");
    const values = new Float32Array(bytes.byteLength / 2);
    widen("BF16", new Uint8Array(bytes), values);
    assert.deepEqual(new Uint8Array(widened.get(name)!.bytes), new Uint8Array(values.buffer));
  }
});

test("a value that fp16 cannot hold, and one that is no number, are named with their tensor", async () => {
  using place = weightsPlace();
  const name = "model.layers.1.mlp.up_proj.weight";
  mkdirSync(place.at("odd"));
  cpSync(join(LLAMA, "config.json"), join(place.at("odd"), "config.json"));
  const write = (value: number) => {
    const tensors = Object.fromEntries(
      [...tensorsOf(LLAMA, FILE)].map(([key, { dtype, shape, bytes }]) => {
        const data = new Float32Array(new Uint8Array(bytes).buffer);
        if (key === name) data[3] = value;
        return [key, { dtype, shape, data }];
      }),
    );
    writeFileSync(join(place.at("odd"), FILE), safetensors(tensors));
  };
  write(70000);
  await assertFails(() => place.convert("odd", "half", "fp16"), "invalid_model", name, "70000", "bf16");
  write(Number.NaN);
  await assertFails(() => place.convert("odd", "w8", "w8"), "invalid_model", name, "not a number");
});

test("files that go with weights come along, byte for byte", async () => {
  using place = weightsPlace();
  await place.convert("models/understudy", "w8", "w8");
  const names = readdirSync("models/understudy").filter((name) => !name.endsWith(".safetensors"));
  for (const name of names)
    assert.deepEqual(bytesOf(place.at("w8"), name), bytesOf("models/understudy", name));
});
