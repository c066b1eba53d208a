/** Values over both wires and back: nothing is lost, not a bit. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ProtobufWriter } from "../../src/model/onnx/protobuf-writer.ts";
import { readInstances } from "../../src/servables/json-instances.ts";
import { instancesText } from "../../src/servables/json-reply.ts";
import {
  type ReplyMessage,
  type RequestMessage,
  readReply,
  readRequest,
  toReplyMessage,
  toRequestMessage,
} from "../../src/servables/predict-proto.ts";
import { failed, STATUS } from "../../src/servables/status.ts";
import { bytesOfTensor, type Tensor, tensor, typeOfValue, type Value } from "../../src/servables/tensor.ts";
import { TENSOR_TYPES } from "../../src/servables/tensor-types.ts";
import { predictMethod } from "../../src/serving/servables/grpc-schema.ts";
import { values } from "./arbitrary-values.ts";

const { requestSerialize, requestDeserialize, responseSerialize, responseDeserialize } = predictMethod();
const overWire = (message: RequestMessage): RequestMessage => requestDeserialize(requestSerialize(message));
const replyOverWire = (message: ReplyMessage): ReplyMessage =>
  responseDeserialize(responseSerialize(message));

/** Compares bits, so that NaN is NaN. */
function assertSame(actual: Value, expected: Value): void {
  assert.equal(typeOfValue(actual), typeOfValue(expected));
  if (typeof expected === "string" || expected instanceof Uint8Array) {
    assert.deepEqual(actual, expected);
    return;
  }
  assert.deepEqual((actual as Tensor).shape, expected.shape);
  assert.deepEqual(bytesOfTensor(actual as Tensor), bytesOfTensor(expected));
}

test("any value goes through gRPC and back, in a request and in a reply", () => {
  fc.assert(
    fc.property(fc.array(values, { minLength: 1, maxLength: 4 }), (given) => {
      const instance = new Map(given.map((value, index) => [`v${index}`, value]));
      const request = { servable: "s", version: 3, method: "m", instances: [instance, instance] };
      const read = readRequest(overWire(toRequestMessage(request)));
      assert.deepEqual([read.servable, read.version, read.method], ["s", 3, "m"]);
      for (const [name, value] of instance) assertSame(read.instances[1]!.get(name)!, value);

      const outputs = [...instance.keys()];
      const results = [{ kind: "outputs", values: given } as const];
      const reply = readReply(replyOverWire(toReplyMessage(null, { kind: "results", outputs, results })));
      assert.ok(Array.isArray(reply));
      const [first] = reply;
      assert.equal(first?.kind, "outputs");
      for (const [name, value] of instance) assertSame(first.outputs.get(name)!, value);
    }),
    { numRuns: 200 },
  );
});

test("any value goes into a servable over REST, bit for bit", () => {
  fc.assert(
    fc.property(values, (value) => {
      const text = { b64: "", type: typeOfValue(value), shape: [] as readonly number[] };
      if (typeof value === "string") text.b64 = Buffer.from(value).toString("base64");
      else if (value instanceof Uint8Array) text.b64 = Buffer.from(value).toString("base64");
      else {
        text.b64 = Buffer.from(bytesOfTensor(value)).toString("base64");
        text.shape = value.shape;
      }
      const [instance] = readInstances(JSON.stringify({ instances: { value: text } }));
      assertSame(instance!.get("value")!, value);
    }),
    { numRuns: 200 },
  );
});

test("a REST reply is JSON with the numbers, texts and bytes that were put in", () => {
  fc.assert(
    fc.property(values, (value) => {
      const text = instancesText(["v"], [{ kind: "outputs", values: [value] }]);
      const { v } = (JSON.parse(text) as { instances: { v: unknown }[] }).instances[0]!;
      assert.deepEqual(v, plain(value));
    }),
    { numRuns: 200 },
  );
});

/** What JSON can say of a value. */
function plain(value: Value): unknown {
  if (typeof value === "string") return value;
  if (value instanceof Uint8Array) return { b64: Buffer.from(value).toString("base64") };
  const kind = TENSOR_TYPES[value.type].kind;
  const numbers = Array.from(value.data as ArrayLike<unknown>, Number);
  const elements = numbers.map((number) =>
    kind === "bool" ? number === 1 : Number.isFinite(number) ? number : null,
  );
  const nest = (shape: readonly number[], from: readonly unknown[]): unknown => {
    const [size, ...rest] = shape;
    if (size === undefined) return from[0];
    const stride = from.length / size;
    return Array.from({ length: size }, (_, i) => nest(rest, from.slice(i * stride, (i + 1) * stride)));
  };
  return nest(value.shape, elements);
}

test("a REST reply is what MindSpore Serving writes: names sorted, no spaces, floats with a point", () => {
  const values: Value[] = [
    tensor("float32", [2, 1], [7, 1.1]),
    tensor("int64", [], 2n ** 60n),
    "dog\n",
    new Uint8Array([1, 2]),
    tensor("bool", [2], [1, 0]),
    tensor("float16", [0], []),
  ];
  assert.equal(
    instancesText(
      ["y", "big", "label", "raw", "is", "none"],
      [{ kind: "outputs", values }, failed(STATUS.invalidInputs, 'bad "x"')],
    ),
    '{"instances":[{"big":1152921504606846976,"is":[true,false],"label":"dog\\n","none":[],"raw":{"b64":"AQI="},"y":[[7.0],[1.100000023841858]]},{"error_msg":"bad \\"x\\""}]}',
  );
});

test("errors of a reply: one for all, or one for each with 0 for success", () => {
  const all = toReplyMessage(null, { kind: "failed", failure: { code: 5, message: "gone" } });
  assert.deepEqual(readReply(replyOverWire(all)), { code: 5, message: "gone" });
  const some = toReplyMessage(null, {
    kind: "results",
    outputs: ["y"],
    results: [{ kind: "outputs", values: ["a"] }, failed(2, "bad")],
  });
  const wire = replyOverWire(some);
  assert.deepEqual(
    wire.error_msg.map(({ error_code }) => error_code),
    [0, 2],
  );
  assert.equal(wire.instances.length, 2);
  assert.deepEqual(readReply(wire), [
    { kind: "outputs", outputs: new Map([["y", "a"]]) },
    { kind: "failed", failure: { code: 2, message: "bad" } },
  ]);
});

test("a reply that contradicts itself is an error of the server", () => {
  const error = { error_code: 0, error_msg: new Uint8Array(0) };
  const reply = { servable_spec: null, instances: [{ items: {} }], error_msg: [error, error] };
  assert.throws(() => readReply(reply), /2 errors for 1 instances/);
});

const none = { shape: { dims: [] as number[] }, data: new Uint8Array(0), bytes_val: [] as Uint8Array[] };
for (const [what, message, expected] of [
  ["a type that is none", { ...none, dtype: 99 }, /input data type 99 invalid/],
  ["no type", { ...none, dtype: 0 }, /input data type 0 invalid/],
  [
    "too few bytes",
    { ...none, dtype: 6, shape: { dims: [2] }, data: new Uint8Array(4) },
    /data size 4 invalid/,
  ],
  ["a negative dimension", { ...none, dtype: 6, shape: { dims: [-1] } }, /shape \[-1\] invalid/],
  [
    "a zero before the last dimension",
    { ...none, dtype: 6, shape: { dims: [0, 2] } },
    /shape \[0, 2\] invalid/,
  ],
  [
    "dimensions beyond memory",
    { ...none, dtype: 2, shape: { dims: [2 ** 40, 2 ** 40] } },
    /data size 0 invalid/,
  ],
  ["two texts", { ...none, dtype: 13, bytes_val: [new Uint8Array(1), new Uint8Array(1)] }, /can only be 1/],
  ["no bytes", { ...none, dtype: 14 }, /batch size can only be 1/],
  [
    "a matrix of texts",
    { ...none, dtype: 13, shape: { dims: [1, 1] }, bytes_val: [new Uint8Array(1)] },
    /\(1,\) or empty, but given shape is \[1, 1\]/,
  ],
] as const) {
  test(`gRPC: ${what} is refused, and the input named`, () => {
    const request = { servable_spec: null, instances: [{ items: { image: message } }] };
    assert.throws(
      () => readRequest(overWire(request)),
      (error) => {
        assert.match((error as Error).message, /^Instances input image check failed, detail: /);
        assert.match((error as Error).message, expected);
        return true;
      },
    );
  });
}

test("gRPC: what MindSpore Serving's Python client puts on the wire is read", () => {
  // as protoc's own code writes it: packed dimensions, defaults left out
  const shape = new ProtobufWriter().bytes(1, Uint8Array.of(2, 1)).finish();
  const floats = new Uint8Array(Float32Array.of(1.5, -2).buffer);
  const numbers = new ProtobufWriter().message(1, shape).int(2, 11).bytes(3, floats).finish();
  const one = new ProtobufWriter().bytes(1, Uint8Array.of(1)).finish();
  const bytes = new ProtobufWriter().message(1, one).int(2, 14).bytes(4, Uint8Array.of(7, 8)).finish();
  const item = (name: string, value: Uint8Array) =>
    new ProtobufWriter().string(1, name).message(2, value).finish();
  const instance = new ProtobufWriter()
    .message(1, item("x1", numbers))
    .message(1, item("image", bytes))
    .message(1, item("__proto__", bytes))
    .finish();
  const spec = new ProtobufWriter().string(1, "add").string(2, "add_common").finish();
  const wire = new ProtobufWriter().message(1, spec).message(2, instance).finish();
  assert.deepEqual(readRequest(requestDeserialize(Buffer.from(wire))), {
    servable: "add",
    version: 0,
    method: "add_common",
    instances: [
      new Map<string, Value>([
        ["x1", tensor("float32", [2, 1], [1.5, -2])],
        ["image", new Uint8Array([7, 8])],
        ["__proto__", new Uint8Array([7, 8])],
      ]),
    ],
  });
});

test("gRPC: names that objects have of their own are only names", () => {
  const instance = new Map<string, Value>([
    ["constructor", "a"],
    ["toString", "b"],
  ]);
  const request = { servable: "s", version: 0, method: "m", instances: [instance] };
  const read = readRequest(overWire(toRequestMessage(request)));
  assert.deepEqual(read.instances, [instance]);
});
