import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { loadSession, type TensorType, tensor } from "../../src/execution/onnx-runtime.ts";
import { GraphBuilder } from "../../src/model/onnx/graph-builder.ts";

const OPTIONS = { name: "test", threads: 1, keepArena: false } as const;

function identity(type: TensorType): Uint8Array<ArrayBuffer> {
  const g = new GraphBuilder("identity");
  g.output("y", g.node("Identity", [g.input("x", type, ["n"])]), type, ["n"]);
  return g.build();
}

const SAMPLES = [
  tensor("float32", Float32Array.of(1.5, -2), [2]),
  tensor("int64", BigInt64Array.of(5n, -(2n ** 60n)), [2]),
  tensor("int32", Int32Array.of(3, -4), [2]),
  tensor("uint8", Uint8Array.of(7, 255), [2]),
  tensor("int8", Int8Array.of(-3, 4), [2]),
] as const;

for (const sample of SAMPLES) {
  test(`ONNX Runtime - ${sample.type} goes in and out`, () => {
    const session = loadSession(identity(sample.type), OPTIONS);
    const { y } = session.run({ x: sample }, ["y"]);
    assert.equal(y!.type, sample.type);
    assert.deepEqual([...y!.dims], [2]);
    assert.deepEqual([...y!.data], [...sample.data]);
    session.release();
  });
}

test("ONNX Runtime - a feed in shared memory is read in place, from the view's offset on", () => {
  const session = loadSession(identity("float32"), OPTIONS);
  const shared = new Float32Array(new SharedArrayBuffer(64));
  const feed = { x: tensor("float32", shared.subarray(3, 6), [3]) };
  shared.set([1, 2, 3], 3);
  assert.deepEqual([...session.run(feed, ["y"]).y!.data], [1, 2, 3]);
  shared[4] = 20;
  assert.deepEqual([...session.run(feed, ["y"]).y!.data], [1, 20, 3]);
  session.release();
});

test("ONNX Runtime - a session tells its inputs and outputs", () => {
  const session = loadSession(identity("float32"), OPTIONS);
  assert.deepEqual([session.inputNames, session.outputNames], [["x"], ["y"]]);
  session.release();
});

test("ONNX Runtime - external data of a model given as bytes is found in its folder", async (t) => {
  const dir = await mkdtemp(join(tmpdir(), "troupe-onnx-"));
  t.after(() => rm(dir, { recursive: true }));
  const weights = Float32Array.from({ length: 4 }, (_, i) => i);
  await writeFile(join(dir, "weights.bin"), new Uint8Array(weights.buffer));
  const g = new GraphBuilder("external");
  const w = g.externalInitializer("w", "float32", [4], { location: "weights.bin", offset: 0, length: 16 });
  g.output("y", g.node("Add", [g.input("x", "float32", [4]), w]), "float32", [4]);
  const session = loadSession(g.build(), { ...OPTIONS, externalDataDir: dir });
  const { y } = session.run({ x: tensor("float32", Float32Array.of(1, 1, 1, 1), [4]) }, ["y"]);
  assert.deepEqual([...y!.data], [1, 2, 3, 4]);
  session.release();
});

test("ONNX Runtime - a missing file and bytes that are no model are invalid models, by the session's name", () => {
  for (const model of ["no-such-model.onnx", Uint8Array.of(1, 2, 3)]) {
    assert.throws(() => loadSession(model, OPTIONS), {
      code: "invalid_model",
      message: /^Session test could not be loaded/,
      details: { session: "test" },
    });
  }
});

test("ONNX Runtime - a missing feed, a wrong type and a short buffer fail by the session's name, and it goes on", () => {
  const session = loadSession(identity("float32"), OPTIONS);
  const good = tensor("float32", Float32Array.of(1), [1]);
  const bad = [
    {},
    { x: tensor("int32", Int32Array.of(1), [1]) },
    { x: tensor("float32", Float32Array.of(1), [100]) },
  ];
  for (const feeds of bad) {
    assert.throws(() => session.run(feeds, ["y"]), {
      code: "engine_failed",
      message: /^Session test failed while running/,
    });
  }
  assert.deepEqual([...session.run({ x: good }, ["y"]).y!.data], [1]);
  session.release();
});

test("ONNX Runtime - a released session refuses to run; releasing it again is nothing", () => {
  const session = loadSession(identity("float32"), OPTIONS);
  session.release();
  session.release();
  assert.throws(() => session.run({ x: tensor("float32", Float32Array.of(1), [1]) }, ["y"]), {
    code: "engine_failed",
  });
});
