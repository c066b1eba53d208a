import assert from "node:assert/strict";
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { splitWeights } from "../../../src/model/convert/split-weights.ts";
import { assertFails } from "../assert-fails.ts";
import { safetensors, writeRandomLlama } from "../make-checkpoint.ts";
import { bytesOf, GOLDEN, GOLDEN_MODELS, tensorsOf, weightsPlace } from "./weights-place.ts";

const FILE = "model.safetensors";
const RANK_0 = "rank-00000-of-00002";
const RANK_1 = "rank-00001-of-00002";
const LLAMA = `${GOLDEN}/llama2`;

describe("every golden model", { concurrency: 4 }, () => {
  for (const name of GOLDEN_MODELS) {
    test(`${name}: split and merged again, every byte is back; and after 2, 4 and 1 ranks too`, async () => {
      using place = weightsPlace();
      const original = bytesOf(GOLDEN, name, FILE);
      await place.split(`${GOLDEN}/${name}`, "two", 2);
      const merged = await place.merge("two", "whole");
      assert.deepEqual(bytesOf(place.at("whole"), FILE), original);
      assert.ok(merged.isIdentical);
      await place.split("two", "four", 4);
      await place.split("four", "one", 1);
      assert.deepEqual(bytesOf(place.at("one"), "rank-00000-of-00001", FILE), original);
      assert.deepEqual(bytesOf(place.at("whole"), "config.json"), bytesOf(GOLDEN, name, "config.json"));
    });
  }
});

for (const [precision, size] of [
  ["w8", 4],
  ["w4", 2],
] as const) {
  test(`a ${precision} folder is cut between blocks and merged again`, async () => {
    using place = weightsPlace();
    await place.convert("models/understudy", "converted", precision);
    await place.split("converted", "shards", size);
    await place.merge("shards", "whole");
    assert.deepEqual(bytesOf(place.at("whole"), FILE), bytesOf(place.at("converted"), FILE));
    for (const file of ["config.json", "tokenizer.json", "tokenizer_config.json"]) {
      assert.deepEqual(bytesOf(place.at("whole"), file), bytesOf("models/understudy", file), file);
    }
  });
}

test("a w4g128 folder is cut between its blocks of 128, re-split and merged again", async () => {
  using place = weightsPlace();
  mkdirSync(place.at("model"));
  writeRandomLlama(place.at("model"), { hidden: 512, mlp: 1024, layers: 1, heads: 8, vocab: 40 });
  await place.convert("model", "converted", "w4g128");
  await place.split("converted", "two", 2);
  const down = "model.layers.0.mlp.down_proj.weight";
  const shard = tensorsOf(place.at("two"), RANK_1, FILE);
  assert.deepEqual(shard.get(`${down}.int4`)!.shape, [512, 4, 64]);
  assert.deepEqual(shard.get(`${down}.scale`)!.shape, [512, 4]);
  await place.split("two", "four", 4);
  await place.merge("four", "whole");
  assert.deepEqual(bytesOf(place.at("whole"), FILE), bytesOf(place.at("converted"), FILE));
  await assertFails(() => place.split("four", "eight", 8), "invalid_request", "block of 128", "works is 4");
});

test("re-split shards are those of a split of the whole", async () => {
  using place = weightsPlace();
  await place.split(`${GOLDEN}/internlm2`, "two", 2);
  await place.split("two", "four", 4);
  await place.split(`${GOLDEN}/internlm2`, "direct", 4);
  for (const rank of [0, 1, 2, 3]) {
    const shard = `rank-0000${rank}-of-00004`;
    assert.deepEqual(bytesOf(place.at("four"), shard, FILE), bytesOf(place.at("direct"), shard, FILE));
  }
});

test("a shard of a packed projection is a packed projection of its size", async () => {
  using place = weightsPlace();
  const name = "model.layers.0.self_attn.qkv_proj.weight";
  const whole = tensorsOf(GOLDEN, "phi3", FILE).get(name)!;
  await place.split(`${GOLDEN}/phi3`, "two", 2);
  const shard = tensorsOf(place.at("two"), RANK_1, FILE).get(name)!;
  const rowBytes = whole.bytes.byteLength / whole.shape[0]!;
  const rows = (from: number, to: number) => whole.bytes.subarray(from * rowBytes, to * rowBytes);
  // Four heads, two KV heads of 16: queries 2 and 3, key 1, value 1.
  assert.deepEqual(shard.bytes, Buffer.concat([rows(32, 64), rows(80, 96), rows(112, 128)]));
  assert.deepEqual(shard.shape, [64, 64]);
});

test("the strategy says of every tensor how it is cut", async () => {
  using place = weightsPlace();
  await place.split(`${GOLDEN}/llama3-gqa-scaled-rope`, "four", 4);
  const text = readFileSync(join(place.at("four"), "strategy.json"), "utf8");
  assert.equal(readFileSync(join(place.at("four"), "rank-00002-of-00004", "strategy.json"), "utf8"), text);
  const { tp, cuts } = JSON.parse(text);
  assert.equal(tp, 4);
  const of = (tensors: string) => cuts.find((cut: { tensors: string }) => cut.tensors === tensors);
  assert.deepEqual(of("model.layers.*.self_attn.k_proj.weight"), {
    tensors: "model.layers.*.self_attn.k_proj.weight",
    cut: "column",
    axis: 0,
    parts: [{ name: "key", unit: "KV head", units: 2, size: 16, copies: 2 }],
  });
  assert.equal(of("model.layers.*.mlp.down_proj.weight").cut, "row");
  assert.equal(of("lm_head.weight").cut, "vocabulary");
  assert.equal(of("model.embed_tokens.weight").cut, "replicated");
});

test("a strategy written by hand is followed", async () => {
  using place = weightsPlace();
  await place.split(LLAMA, "usual", 2);
  const strategy = JSON.parse(readFileSync(join(place.at("usual"), "strategy.json"), "utf8"));
  const table = strategy.cuts.find((cut: { tensors: string }) => cut.tensors === "model.embed_tokens.weight");
  Object.assign(table, {
    cut: "vocabulary",
    axis: 0,
    parts: [{ name: "vocabulary", unit: "token", units: 512, size: 1 }],
  });
  const file = place.at("mine.json");
  writeFileSync(file, JSON.stringify(strategy));
  await splitWeights({ ...place.base(LLAMA, "mine"), strategy: { file } });
  const shard = tensorsOf(place.at("mine"), RANK_0, FILE).get("model.embed_tokens.weight")!;
  assert.deepEqual(shard.shape, [256, 64]);
  await place.merge("mine", "whole");
  assert.deepEqual(bytesOf(place.at("whole"), FILE), bytesOf(LLAMA, FILE));
});

for (const [what, change, ...told] of [
  ["a unit that is not known", (cut) => (cut.parts[0].unit = "row"), "unit", "KV head"],
  ["other sizes", (cut) => (cut.parts[0].units = 8), "cuts 128 rows of", "[64, 64]"],
  ["heads that the ranks cannot share", (cut) => (cut.parts[0].units = 3), "3 heads cannot be shared"],
  ["copies that do not follow", (cut) => (cut.parts[0].copies = 2), '"copies"', "hold 1"],
  ["another axis than the word for it", (cut) => (cut.axis = 1), '"column" does not go with axis 1'],
  ["a name that is not there", (cut) => (cut.tensors = "elsewhere"), "does not say how", "q_proj"],
  // biome-ignore lint/suspicious/noExplicitAny: a file that people have written
] as [string, (cut: any) => unknown, ...string[]][]) {
  test(`a strategy with ${what} is refused`, async () => {
    using place = weightsPlace();
    await place.split(LLAMA, "usual", 2);
    const strategy = JSON.parse(readFileSync(join(place.at("usual"), "strategy.json"), "utf8"));
    change(strategy.cuts.find(({ tensors }: { tensors: string }) => tensors.endsWith("q_proj.weight")));
    const file = place.at("mine.json");
    writeFileSync(file, JSON.stringify(strategy));
    const run = () => splitWeights({ ...place.base(LLAMA, "mine"), strategy: { file } });
    await assertFails(run, "invalid_model", ...told);
    assert.ok(!existsSync(place.at("mine")));
  });
}

test("a number of ranks that does not divide the model is refused with the nearest that does", async () => {
  using place = weightsPlace();
  await assertFails(() => place.split(LLAMA, "three", 3), "invalid_request", "160 channels", "works is 2");
  await assertFails(() => place.split(LLAMA, "eight", 8), "invalid_request", "works is 4");
  await assertFails(() => place.split(LLAMA, "many", 1e9), "invalid_request", "works is 4");
  await place.convert(LLAMA, "w4", "w4");
  const run = () => place.split("w4", "two", 2);
  await assertFails(run, "invalid_request", "80 of 160 quantised inputs", "block of 32", "works is 1");
  await place.convert("models/understudy", "coarser", "w4g128");
  const other = () => place.split("coarser", "two", 2);
  await assertFails(other, "invalid_request", "320 of 640 quantised inputs", "block of 128", "works is 1");
});

test("a last block that is not full is no hindrance to one rank, nor to going back to floats", async () => {
  using place = weightsPlace();
  mkdirSync(place.at("model"));
  writeRandomLlama(place.at("model"), { hidden: 48, mlp: 72, layers: 1, heads: 2, vocab: 40 });
  await place.convert("model", "w4", "w4");
  await place.split("w4", "one", 1);
  await place.merge("one", "whole");
  assert.deepEqual(bytesOf(place.at("whole"), FILE), bytesOf(place.at("w4"), FILE));
  await assertFails(() => place.split("w4", "two", 2), "invalid_request", "works is 1");
  await place.convert("w4", "floats", "fp32");
  const floatsOf = (name: string) => {
    const { bytes } = tensorsOf(place.at(name), FILE).get("model.layers.0.mlp.down_proj.weight")!;
    return new Float32Array(new Uint8Array(bytes).buffer);
  };
  const before = floatsOf("model");
  // Weights lie between -0.5 and 0.5, so a step is at most 1 / 16 of that range and a little more.
  assert.ok(floatsOf("floats").every((value, i) => Math.abs(value - before[i]!) < 0.08));
});

/** Two shards of llama2, and the same of another model. */
async function twoSplits() {
  const place = weightsPlace();
  await place.split(LLAMA, "two", 2);
  await place.split(`${GOLDEN}/internlm`, "other", 2);
  const swap = (shard: string, from = join(place.at("other"), shard)) => {
    rmSync(join(place.at("two"), shard), { recursive: true });
    cpSync(from, join(place.at("two"), shard), { recursive: true });
  };
  return { ...place, swap };
}

test("a missing, foreign, renamed, copied or unfinished shard is refused by name", async () => {
  using place = await twoSplits();
  const refused = (...told: string[]) =>
    assertFails(() => place.merge("two", "whole"), "invalid_model", ...told);
  place.swap(RANK_1);
  await refused(RANK_1, "foreign", "another model");
  place.swap(RANK_1, join(place.at("two"), RANK_0));
  await refused(RANK_1, `holds the shard ${RANK_0}`);
  rmSync(join(place.at("two"), RANK_1), { recursive: true });
  await refused(RANK_1, "missing", "2 shards");
  mkdirSync(join(place.at("two"), RANK_1));
  await refused(RANK_1, "troupe-weights.json");
  await place.split(LLAMA, "four", 4);
  renameSync(join(place.at("four"), "rank-00001-of-00004"), join(place.at("two"), "rank-00001-of-00004"));
  rmSync(join(place.at("two"), RANK_1), { recursive: true });
  await refused("rank-00001-of-00004", "one of 4 shards");
});

test("shards cut by another strategy, a changed strategy and a damaged file are refused by name", async () => {
  using place = await twoSplits();
  const strategy = join(place.at("two"), RANK_0, "strategy.json");
  const text = readFileSync(strategy, "utf8");
  const file = place.at("mine.json");
  writeFileSync(file, text.replace('"query"', '"queries"'));
  await splitWeights({ ...place.base(LLAMA, "mine"), strategy: { file } });
  place.swap(RANK_1, join(place.at("mine"), RANK_1));
  const refused = (...told: string[]) =>
    assertFails(() => place.merge("two", "whole"), "invalid_model", ...told);
  await refused(RANK_1, "another strategy");
  await place.split(LLAMA, "again", 2);
  place.swap(RANK_1, join(place.at("again"), RANK_1));
  writeFileSync(strategy, `${text}\n`);
  await refused(RANK_0, "strategy.json", "changed");
  writeFileSync(strategy, text);
  const weights = join(place.at("two"), RANK_1, FILE);
  const bytes = readFileSync(weights);
  bytes[bytes.length - 1]! ^= 1;
  writeFileSync(weights, bytes);
  await refused(`${RANK_1}/${FILE}`, "damaged", "checksum");
});

test("a shard alone is no model, and whole weights cannot be merged", async () => {
  using place = weightsPlace();
  await place.split(LLAMA, "two", 2);
  const alone = join(place.at("two"), RANK_0);
  await assertFails(() => place.convert(alone, "x", "bf16"), "invalid_model", "shard 0 of 2", "all of them");
  await assertFails(() => place.merge(LLAMA, "x"), "invalid_model", "no shards");
});

test("tensors of no architecture, of any type and shape, pass through", async () => {
  using place = weightsPlace();
  mkdirSync(place.at("odd"));
  cpSync(`${LLAMA}/config.json`, join(place.at("odd"), "config.json"));
  const all = [...tensorsOf(LLAMA, FILE)].map(
    ([name, { dtype, shape, bytes }]) => [name, { dtype, shape, data: bytes }] as const,
  );
  const odd = {
    scalar: { dtype: "F32", shape: [], data: Float32Array.of(3) },
    empty: { dtype: "F32", shape: [0, 4], data: new Float32Array(0) },
    counts: { dtype: "I64", shape: [2], data: BigInt64Array.of(1n, 2n) },
    7: { dtype: "BOOL", shape: [1], data: Uint8Array.of(1) },
    eight: { dtype: "F8_E4M3", shape: [2], data: Uint8Array.of(1, 2) },
  };
  const write = (more: object) =>
    writeFileSync(join(place.at("odd"), FILE), safetensors({ ...Object.fromEntries(all), ...more }));
  write(odd);
  await place.split("odd", "two", 2);
  await place.merge("two", "whole");
  assert.deepEqual(tensorsOf(place.at("whole"), FILE), tensorsOf(place.at("odd"), FILE));
  await place.convert("odd", "w8", "w8");
  assert.equal(tensorsOf(place.at("w8"), FILE).get("eight")?.dtype, "F8_E4M3");
  write({ four: { dtype: "F4", shape: [4], data: Uint8Array.of(1, 2) } });
  await assertFails(() => place.split("odd", "x", 2), "invalid_model", "tensor four is F4");
});

test("weights in several files keep their files and their index", async () => {
  using place = weightsPlace();
  const dir = place.at("sharded");
  mkdirSync(dir);
  cpSync(`${LLAMA}/config.json`, join(dir, "config.json"));
  const all = [...tensorsOf(LLAMA, FILE)].map(
    ([name, { dtype, shape, bytes }]) => [name, { dtype, shape, data: bytes }] as const,
  );
  const names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
  const halves = [all.slice(0, 9), all.slice(9)];
  const map = halves.flatMap((half, index) => half.map(([name]) => [name, names[index]] as const));
  for (const [index, half] of halves.entries()) {
    writeFileSync(join(dir, names[index]!), safetensors(Object.fromEntries(half)));
  }
  writeFileSync(
    join(dir, "model.safetensors.index.json"),
    JSON.stringify({ metadata: {}, weight_map: Object.fromEntries(map) }),
  );
  await place.split("sharded", "two", 2);
  const { wasWritten, isIdentical } = await place.merge("two", "whole");
  // The headers of these files are not padded as the safetensors library does it.
  assert.deepEqual([wasWritten, isIdentical], [true, false]);
  const index = "model.safetensors.index.json";
  assert.deepEqual(bytesOf(place.at("whole"), index), bytesOf(dir, index));
  for (const file of names) assert.deepEqual(tensorsOf(place.at("whole"), file), tensorsOf(dir, file));
});
