import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { TroupeError } from "../../../src/errors/troupe-error.ts";
import { loadSession, type Tensor, tensor } from "../../../src/execution/onnx-runtime.ts";
import { float, floats } from "../../../src/model/onnx/attribute-proto.ts";
import { GraphBuilder } from "../../../src/model/onnx/graph-builder.ts";
import { EXTERNAL_ALIGNMENT } from "../../../src/model/onnx/tensor-proto.ts";
import { temporaryDir } from "../make-checkpoint.ts";

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

test("ONNX Runtime runs what was built: every kind of attribute, several outputs, constants", () => {
  const g = new GraphBuilder("g");
  const x = g.input("x", "float32", ["tokens", 2]);
  const product = g.node("MatMul", [x, g.initializer("w", "float32", [2, 2], Float32Array.of(1, 2, 3, 4))]);
  const [left, right] = g.multiNode("Split", [product, g.int64s([1, 1])], ["left", "right"], { axis: -1 });
  const leaky = g.node("LeakyRelu", [g.node("Sub", [left!, right!])], { alpha: float(0.5) });
  g.output("leaky", leaky, "float32", ["tokens", 1]);
  const tensorValue = {
    kind: "tensor",
    dataType: "float32",
    dims: [2],
    data: Float32Array.of(5, 6),
  } as const;
  const shifted = g.node("Add", [product, g.node("Constant", [], { value: tensorValue })]);
  g.output("shifted", g.node("Transpose", [shifted], { perm: [1, 0] }), "float32", [2, "tokens"]);
  g.output("fixed", g.node("Constant", [], { value_floats: floats([1.5, 2]) }), "float32", [2]);
  const padded = g.node("Pad", [product, g.int64s([0, 0, 0, 1]), g.float32(9)], { mode: "constant" });
  g.output("padded", padded, "float32", ["tokens", 3]);

  const session = loadSession(g.build(), { name: "g", threads: 1, keepArena: false });
  const results = session.run(
    { x: tensor("float32", Float32Array.of(1, 1, 2, 0), [2, 2]) },
    session.outputNames,
  );
  const values = Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, [...data]]));
  session.release();
  assert.deepEqual(values, {
    leaky: [-1, -1],
    shifted: [9, 7, 12, 10],
    fixed: [1.5, 2],
    padded: [4, 6, 9, 2, 4, 9],
  });
});

test("ONNX Runtime finds initialisers in an external file", () => {
  using dir = temporaryDir();
  const weights = new Float32Array(EXTERNAL_ALIGNMENT / 4 + 2);
  weights.set([3, 4], EXTERNAL_ALIGNMENT / 4);
  writeFileSync(join(dir.path, "g.weights"), weights);
  const g = new GraphBuilder("g");
  const x = g.input("x", "float32", [2]);
  const data = { location: "g.weights", offset: EXTERNAL_ALIGNMENT, length: 8 };
  g.output("y", g.node("Mul", [x, g.externalInitializer("w", "float32", [2], data)]), "float32", [2]);
  writeFileSync(join(dir.path, "g.onnx"), g.build());
  const session = loadSession(join(dir.path, "g.onnx"), { name: "g", threads: 1, keepArena: false });
  const { y } = session.run({ x: tensor("float32", Float32Array.of(10, 100), [2]) }, ["y"]);
  session.release();
  assert.deepEqual([...y!.data], [30, 400]);
});

test("of a conditional's two bodies one runs, on values from outside", () => {
  const g = new GraphBuilder("choice");
  const x = g.input("x", "float32", ["n"]);
  const chosen = g.input("chosen", "bool", [1]);
  const result = g.conditional(
    chosen,
    () => g.node("Mul", [x, g.float32(2)]),
    () => g.node("Neg", [x]),
  );
  g.output("y", result, "float32", ["n"]);
  const session = loadSession(g.build(), { name: "choice", threads: 1, keepArena: false });
  for (const [flag, expected] of [
    [1, [2, -6]],
    [0, [-1, 3]],
  ] as const) {
    const feeds = {
      x: tensor("float32", Float32Array.of(1, -3), [2]),
      chosen: { type: "bool", dims: [1], location: "cpu", data: Uint8Array.of(flag) } as unknown as Tensor,
    };
    assert.deepEqual([...(session.run(feeds, ["y"]).y!.data as Float32Array)], expected);
  }
  session.release();
});

test("a loop makes its state anew, as often as it is told, on values from outside", () => {
  const g = new GraphBuilder("loop");
  const x = g.input("x", "float32", ["n"]);
  const count = g.input("count", "int64", [1]);
  const state = g.node("Identity", [x]);
  const result = g.repeat(count, state, { dataType: "float32", dims: ["n"] }, (index, sum) =>
    g.node("Add", [g.node("Add", [sum, x]), g.node("Cast", [index], { to: 1 })]),
  );
  g.output("y", result, "float32", ["n"]);
  const session = loadSession(g.build(), { name: "loop", threads: 1, keepArena: false });
  for (const [times, expected] of [
    [0, [1, -3]],
    [3, [1 + 3 * 1 + 0 + 1 + 2, -3 - 3 * 3 + 0 + 1 + 2]],
  ] as const) {
    const feeds = {
      x: tensor("float32", Float32Array.of(1, -3), [2]),
      count: tensor("int64", BigInt64Array.of(BigInt(times)), [1]),
    };
    assert.deepEqual([...(session.run(feeds, ["y"]).y!.data as Float32Array)], expected);
  }
  session.release();
});

test("what a loop makes on the way is not seen outside", () => {
  const g = new GraphBuilder("g");
  const x = g.input("x", "float32", ["n"]);
  const count = g.input("count", "int64", [1]);
  const seen: string[] = [];
  g.repeat(count, g.node("Identity", [x]), { dataType: "float32", dims: ["n"] }, (index, state) => {
    seen.push(index, state);
    return g.node("Neg", [state]);
  });
  for (const value of seen) expectInternal(() => g.node("Abs", [value]), /unknown input value/);
});

test("float constants in the same dimensions are stored once", () => {
  const g = new GraphBuilder("g");
  assert.equal(g.float32s([2, 1], [0.5, 2]), g.float32s([2, 1], [0.5, 2]));
  assert.notEqual(g.float32s([2, 1], [0.5, 2]), g.float32s([1, 2], [0.5, 2]));
});

test("what a body makes is not seen outside, and it must make its output", () => {
  const g = new GraphBuilder("g");
  const x = g.input("x", "float32", ["n"]);
  const chosen = g.input("chosen", "bool", [1]);
  let inner = "";
  const make = () => {
    inner = g.node("Neg", [x]);
    return inner;
  };
  g.conditional(chosen, make, make);
  expectInternal(() => g.node("Abs", [inner]), /unknown input value/);
  expectInternal(() => g.conditional(chosen, make, () => x), /made inside/);
});
