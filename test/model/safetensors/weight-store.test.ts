import assert from "node:assert/strict";
import { rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { WeightStore } from "../../../src/model/safetensors/weight-store.ts";
import { assertFails } from "../assert-fails.ts";
import { safetensors, safetensorsWithHeader, temporaryDir } from "../make-checkpoint.ts";

const FILE = "model.safetensors";
const matrix = { dtype: "F32", shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) };
const vector = { dtype: "BF16", shape: [2], data: Uint16Array.of(0x3f80, 0xc000) };

function opened(bytes: Buffer): Disposable & { open(): Promise<WeightStore>; path: string } {
  const dir = temporaryDir();
  writeFileSync(join(dir.path, FILE), bytes);
  return {
    path: dir.path,
    open: () => WeightStore.open(dir.path),
    [Symbol.dispose]: () => dir[Symbol.dispose](),
  };
}

function entry(name: string, dtype: string, shape: unknown, offsets: unknown): string {
  return `"${name}":{"dtype":"${dtype}","shape":${JSON.stringify(shape)},"data_offsets":${JSON.stringify(offsets)}}`;
}

test("tensors are found by name and read in ranges", async () => {
  using dir = opened(safetensors({ matrix, vector }));
  await using store = await dir.open();
  const found = store.tensor("matrix", [2, 3]);
  const row = new Float32Array(3);
  await store.read(found, 12, new Uint8Array(row.buffer));
  assert.deepEqual([...row], [4, 5, 6]);
  assert.equal(store.tensor("vector", [2]).dataType, "BF16");
});

test("a missing tensor is named, with the nearest one there is", async () => {
  using dir = opened(safetensors({ "model.norm.weight": matrix }));
  await using store = await dir.open();
  await assertFails(
    () => store.tensor("model.norn.weight", [2, 3]),
    "invalid_model",
    "model.norn.weight",
    "it has model.norm.weight",
  );
});

test("a checkpoint saved without its head leaves out the first part of names", async () => {
  using dir = opened(safetensors({ "h.0.ln.weight": matrix }));
  await using store = await dir.open();
  assert.deepEqual(store.tensor("transformer.h.0.ln.weight", [2, 3]).shape, [2, 3]);
  await assertFails(
    () => store.tensor("transformer.h.1.ln.weight", [2, 3]),
    "invalid_model",
    "h.1.ln.weight",
  );
});

test("a shape that config.json does not call for is refused with both shapes", async () => {
  using dir = opened(safetensors({ matrix }));
  await using store = await dir.open();
  await assertFails(
    () => store.tensor("matrix", [3, 2]),
    "invalid_model",
    FILE,
    "matrix",
    "[2, 3]",
    "[3, 2]",
  );
});

test("weights of a type that is not a float are refused", async () => {
  using dir = opened(safetensors({ packed: { dtype: "I8", shape: [4], data: new Int8Array(4) } }));
  await using store = await dir.open();
  await assertFails(() => store.tensor("packed", [4]), "invalid_model", "packed is I8", "BF16");
});

const malformed: Readonly<Record<string, readonly [bytes: Buffer, ...parts: string[]]>> = {
  "an empty file": [Buffer.alloc(0), "has 0 bytes"],
  "a header that claims more than the file": [safetensors({ matrix }).subarray(0, 20), "cut off"],
  "a file of another kind": [
    Buffer.from("PK\u0003\u0004 and then something longer"),
    "not a safetensors file",
  ],
  "a header that is not JSON": [safetensorsWithHeader("{nope}"), "not JSON"],
  "a header that is a list": [safetensorsWithHeader("[]"), "not a JSON object"],
  "an entry without a shape": [
    safetensorsWithHeader('{"t":{"dtype":"F32","data_offsets":[0,0]}}'),
    "tensor t",
    "shape",
  ],
  "a negative dimension": [
    safetensorsWithHeader(`{${entry("t", "F32", [-1], [0, 4])}}`, Buffer.alloc(4)),
    "tensor t",
    "shape",
  ],
  "an end before the start": [
    safetensorsWithHeader(`{${entry("t", "F32", [1], [4, 0])}}`, Buffer.alloc(4)),
    "before its start",
  ],
  "bytes that do not match the shape": [
    safetensorsWithHeader(`{${entry("t", "F32", [2, 2], [0, 12])}}`, Buffer.alloc(12)),
    "tensor t F32[2, 2] needs 16 bytes and has 12",
  ],
  "tensors that overlap": [
    safetensorsWithHeader(
      `{${entry("a", "F32", [2], [0, 8])},${entry("b", "F32", [2], [4, 12])}}`,
      Buffer.alloc(12),
    ),
    "a and b overlap",
  ],
  "a tensor past the end of the file": [
    safetensorsWithHeader(`{${entry("t", "F32", [4], [0, 16])}}`, Buffer.alloc(12)),
    "tensor t ends at byte",
  ],
};
for (const [what, [bytes, ...parts]] of Object.entries(malformed)) {
  test(`${what} is refused`, async () => {
    using dir = opened(bytes);
    await assertFails(() => dir.open(), "invalid_model", FILE, ...parts);
  });
}

test("a file that shrinks while it is read is noticed", async () => {
  using dir = opened(safetensors({ matrix }));
  await using store = await dir.open();
  truncateSync(join(dir.path, FILE), 120);
  await assertFails(
    () => store.read(store.tensor("matrix", [2, 3]), 0, new Uint8Array(24)),
    "invalid_model",
    "ended inside",
  );
});

test("shards are joined through their index", async () => {
  using dir = sharded({ matrix: "a.safetensors", vector: "b.safetensors" });
  await using store = await WeightStore.open(dir.path);
  assert.deepEqual(store.tensor("matrix", [2, 3]).shape, [2, 3]);
  assert.deepEqual(store.tensor("vector", [2]).shape, [2]);
});

test("a missing shard is named", async () => {
  using dir = sharded({ matrix: "a.safetensors", vector: "b.safetensors" });
  rmSync(join(dir.path, "b.safetensors"));
  await assertFails(
    () => WeightStore.open(dir.path),
    "invalid_model",
    "b.safetensors is missing",
    "1 tensors",
  );
});

test("a tensor that is not in the shard the index names is refused", async () => {
  using dir = sharded({ matrix: "a.safetensors", vector: "b.safetensors", more: "b.safetensors" });
  await assertFails(() => WeightStore.open(dir.path), "invalid_model", "b.safetensors has no tensor more");
});

test("an index cannot reach outside its folder", async () => {
  using dir = sharded({ matrix: "../a.safetensors" });
  await assertFails(() => WeightStore.open(dir.path), "invalid_model", "not a plain file name");
});

test("a folder without safetensors says what it needs", async () => {
  using dir = temporaryDir();
  await assertFails(() => WeightStore.open(dir.path), "invalid_model", "model.safetensors", "index.json");
  writeFileSync(join(dir.path, "pytorch_model.bin"), "");
  await assertFails(() => WeightStore.open(dir.path), "invalid_model", "convert them to safetensors");
});

function sharded(weightMap: Readonly<Record<string, string>>): Disposable & { readonly path: string } {
  const dir = temporaryDir();
  writeFileSync(join(dir.path, "a.safetensors"), safetensors({ matrix }));
  writeFileSync(join(dir.path, "b.safetensors"), safetensors({ vector }));
  writeFileSync(join(dir.path, "model.safetensors.index.json"), JSON.stringify({ weight_map: weightMap }));
  return dir;
}
