import assert from "node:assert/strict";
import { test } from "node:test";
import { ProtobufWriter } from "../../../src/model/onnx/protobuf-writer.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

// Bytes from the encoding chapter of the protobuf documentation.
test("varints, strings and nested messages have the documented bytes", () => {
  assert.equal(hex(new ProtobufWriter().int(1, 150).finish()), "089601");
  assert.equal(hex(new ProtobufWriter().string(2, "testing").finish()), "120774657374696e67");
  assert.equal(
    hex(new ProtobufWriter().message(3, new ProtobufWriter().int(1, 150).finish()).finish()),
    "1a03089601",
  );
});

test("negative integers take ten bytes", () => {
  assert.equal(hex(new ProtobufWriter().int(1, -2).finish()), "08feffffffffffffffff01");
});

test("floats are little-endian; field numbers over 15 take two bytes", () => {
  assert.equal(hex(new ProtobufWriter().float(2, 1).finish()), "150000803f");
  assert.equal(hex(new ProtobufWriter().int(20, 4).finish()), "a00104");
});

test("integers beyond 2^53 are exact as bigint", () => {
  assert.equal(hex(new ProtobufWriter().int(1, 2n ** 63n - 1n).finish()), "08ffffffffffffffff7f");
});
