import assert from "node:assert/strict";
import { test } from "node:test";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { ModelBatch } from "../../src/servables/model-batch.ts";
import type { ModelTensor } from "../../src/servables/model-tensor.ts";
import type { ModelDeclaration } from "../../src/servables/servable-definition.ts";
import { tensor } from "../../src/servables/tensor.ts";
import { fakeModel, port, row } from "./fake-model.ts";

const declare = (rest: Partial<ModelDeclaration> = {}): ModelDeclaration => ({ file: "net.onnx", ...rest });

test("a model's own batch is always filled, with the first instance, and what was filled up is dropped", () => {
  const model = fakeModel([2, 2]);
  const batch = new ModelBatch("net", model, declare());
  assert.equal(batch.size, 2);
  assert.deepEqual(batch.run([[row(1, 2)], [row(3, 4)]]), [[row(2, 4)], [row(6, 8)]]);
  assert.deepEqual(batch.run([[row(5, 6)]]), [[row(10, 12)]]);
  assert.deepEqual(model.runs, [
    [1, 2, 3, 4],
    [5, 6, 5, 6],
  ]);
});

test("an open batch is as large as what is there", () => {
  const model = fakeModel([null, 2]);
  assert.equal(new ModelBatch("net", model, declare()).size, 32);
  const batch = new ModelBatch("net", model, declare({ batchSize: 3 }));
  assert.equal(batch.size, 3);
  assert.deepEqual(batch.run([[row(1, 2)]]), [[row(2, 4)]]);
  assert.deepEqual(model.runs, [[1, 2]]);
});

test("a model without a batch dimension takes one instance, as it is", () => {
  const model = fakeModel([2, 2]);
  const batch = new ModelBatch("net", model, declare({ withBatchDim: false }));
  assert.equal(batch.size, 1);
  const square = tensor("float32", [2, 2], [1, 2, 3, 4]);
  assert.equal(batch.refuse([square]), null);
  assert.deepEqual(batch.run([[square]]), [[tensor("float32", [2, 2], [2, 4, 6, 8])]]);
});

test("as many elements as the model wants are enough where it says its shape, as in MindSpore Serving", () => {
  const model = fakeModel([2, 2]);
  const batch = new ModelBatch("net", model, declare());
  const column = tensor("float32", [2, 1], [1, 2]);
  assert.equal(batch.refuse([column]), null);
  assert.ok(batch.canJoin([column], [row(3, 4)]));
  assert.deepEqual(batch.run([[column], [row(3, 4)]]), [[row(2, 4)], [row(6, 8)]]);
});

test("where the model leaves a size open, only instances of one shape share a run", () => {
  const batch = new ModelBatch("net", fakeModel([null, null]), declare());
  assert.equal(batch.refuse([row(1, 2, 3)]), null);
  assert.ok(batch.canJoin([row(1, 2)], [row(3, 4)]));
  assert.ok(!batch.canJoin([row(1, 2)], [row(3)]));
  assert.match(
    batch.refuse([tensor("float32", [1, 2], [1, 2])])!,
    /shape \[1,2\] not match the shape \[\?\] defined in model \("x"\)/,
  );
});

test("an input without a batch dimension is fed once, and only instances that agree on it share a run", () => {
  const seen: ModelTensor[] = [];
  const model = fakeModel([null, 1], [port("scale", [2])], (inputs) => {
    seen.push(inputs[1]!);
    return [inputs[0]!];
  });
  const batch = new ModelBatch("net", model, declare({ withoutBatchDimInputs: [1] }));
  assert.ok(batch.canJoin([row(1), row(5, 6)], [row(2), row(5, 6)]));
  assert.ok(!batch.canJoin([row(1), row(5, 6)], [row(2), row(5, 7)]));
  batch.run([
    [row(1), row(5, 6)],
    [row(2), row(5, 6)],
  ]);
  assert.deepEqual(seen, [row(5, 6)]);
});

test("texts are joined and split too", () => {
  const model = fakeModel([2], [], () => [{ type: "str", shape: [2], data: ["A", "B"] }]);
  const texts = {
    ...model,
    inputs: [port("x", [2], "str")],
    run: () => [{ type: "str", shape: [2], data: ["A", "B"] } as const],
  };
  const batch = new ModelBatch("net", texts, declare());
  assert.equal(batch.refuse(["a"]), null);
  assert.match(batch.refuse([row(1)])!, /data type float32 not match the data type str/);
  assert.deepEqual(batch.run([["a"], ["b"]]), [["A"], ["B"]]);
});

for (const [what, values, message] of [
  [
    "another type",
    [tensor("int32", [2], [1, 2])],
    /^Given model input 0 data type int32 not match the data type float32 defined in model/,
  ],
  ["bytes", [new Uint8Array(8)], /data type bytes not match the data type float32/],
  [
    "too many elements",
    [row(1, 2, 3)],
    /^Given model input 0 size 12 not match the size 8 defined in model \("x" is float32\[2\], given shape \[3\]\)/,
  ],
  ["an input too many", [row(1, 2), row(1)], /inputs size 2 not match the inputs size 1/],
] as const) {
  test(`${what} is refused by name and number`, () => {
    assert.match(new ModelBatch("net", fakeModel([2, 2]), declare()).refuse(values)!, message);
  });
}

for (const [what, dims, others, declaration, message] of [
  ["a scalar", [], [], {}, /"x" is a scalar and has no batch dimension/],
  ["batches that differ", [2, 1], [port("z", [3, 1])], {}, /its batch dimensions differ: 2, 3/],
  [
    "another batch size than its own",
    [2, 1],
    [],
    { batchSize: 4 },
    /batchSize is 4, but the model's own is 2/,
  ],
  [
    "an input that it has not",
    [2, 1],
    [],
    { withoutBatchDimInputs: [1] },
    /names input 1, but it has 1 inputs/,
  ],
  [
    "inputs without a batch where there is none",
    [2, 1],
    [],
    { withBatchDim: false, withoutBatchDimInputs: [0] },
    /withBatchDim is false/,
  ],
] as const) {
  test(`a model that is declared with ${what} is refused`, () => {
    assert.throws(
      () => new ModelBatch("net", fakeModel(dims, others), declare(declaration as Partial<ModelDeclaration>)),
      (error) =>
        error instanceof TroupeError && error.code === "invalid_config" && message.test(error.message),
    );
  });
}

test("an output of another batch, or several texts for an instance, is an error of the model", () => {
  const wrong = fakeModel([2, 1], [], () => [row(1)]);
  assert.throws(
    () => new ModelBatch("net", wrong, declare()).run([[row(1)]]),
    /"y" has the shape \[1\] for a batch of 2/,
  );
  const texts = fakeModel([2, 1], [], () => [{ type: "str", shape: [2, 2], data: ["a", "b", "c", "d"] }]);
  assert.throws(() => new ModelBatch("net", texts, declare()).run([[row(1)]]), /has 2 texts for an instance/);
});
