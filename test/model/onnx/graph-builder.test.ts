import assert from "node:assert/strict";
import { test } from "node:test";
import { TroupeError } from "../../../src/errors/troupe-error.ts";
import { GraphBuilder } from "../../../src/model/onnx/graph-builder.ts";

function expectInternal(run: () => unknown, pattern: RegExp): void {
  assert.throws(
    run,
    (error) => error instanceof TroupeError && error.code === "internal" && pattern.test(error.message),
  );
}

test("an unknown input is named where the node is added", () => {
  const g = new GraphBuilder("g");
  expectInternal(() => g.node("Relu", ["nothing"]), /Relu: unknown input value nothing/);
});

test("a name is given once only", () => {
  const g = new GraphBuilder("g");
  g.input("x", "float32", ["tokens"]);
  expectInternal(() => g.input("x", "float32", ["tokens"]), /x is used twice/);
});

test("an output must come from a node", () => {
  const g = new GraphBuilder("g");
  const x = g.input("x", "float32", ["tokens"]);
  expectInternal(() => g.output("y", x, "float32", ["tokens"]), /must be made by a node/);
});

test("an initialiser whose data does not fit its shape is refused", () => {
  const g = new GraphBuilder("g");
  expectInternal(() => g.initializer("w", "float32", [2, 2], new Float32Array(3)), /needs 16 bytes, got 12/);
});

test("an external initialiser must be page-aligned", () => {
  const g = new GraphBuilder("g");
  const data = { location: "weights.bin", offset: 8, length: 4 };
  expectInternal(() => g.externalInitializer("w", "float32", [1], data), /multiple of 4096/);
});

test("a float attribute without its mark is refused, not rounded", () => {
  const g = new GraphBuilder("g");
  const x = g.input("x", "float32", ["tokens"]);
  g.output("y", g.node("LeakyRelu", [x], { alpha: 0.5 }), "float32", ["tokens"]);
  expectInternal(() => g.build(), /mark floats with float\(\)/);
});

test("equal constants are stored once", () => {
  const g = new GraphBuilder("g");
  assert.equal(g.int64s([0, -1]), g.int64s([0, -1]));
  assert.equal(g.float32(127), g.float32(127));
  assert.notEqual(g.float32(127), g.float32(128));
});
