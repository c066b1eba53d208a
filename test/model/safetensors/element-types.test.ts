import assert from "node:assert/strict";
import { test } from "node:test";
import { narrow, widen } from "../../../src/model/safetensors/element-types.ts";

function widened(type: "F16" | "BF16", words: readonly number[]): Float32Array {
  const target = new Float32Array(words.length);
  const source = Uint16Array.from(words);
  widen(type, new Uint8Array(source.buffer), target);
  return target;
}

// Patterns from the Wikipedia articles on half precision and bfloat16.
test("known half-precision patterns", () => {
  const words = [
    0x0001, 0x03ff, 0x0400, 0x3555, 0x3bff, 0x3c00, 0x3c01, 0x7bff, 0x7c00, 0x8000, 0xfc00, 0xc000,
  ];
  const expected = [
    2 ** -24,
    0.00006097555160522461,
    0.00006103515625,
    0.333251953125,
    0.99951171875,
    1,
    1.0009765625,
    65504,
    Infinity,
    -0,
    -Infinity,
    -2,
  ];
  assert.deepEqual([...widened("F16", words)], expected);
});

test("every half is widened exactly", () => {
  const words = Array.from({ length: 65536 }, (_, word) => word);
  const values = widened("F16", words);
  for (const [word, value] of values.entries()) {
    const exponent = (word >> 10) & 31;
    const fraction = word & 1023;
    const sign = word & 0x8000 ? -1 : 1;
    if (exponent === 31) assert.ok(fraction === 0 ? value === sign * Infinity : Number.isNaN(value));
    else {
      const expected = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
      assert.ok(Object.is(value, sign * expected), `0x${word.toString(16)}: ${value}`);
    }
  }
});

test("known bfloat16 patterns", () => {
  const words = [0x3f80, 0xc000, 0x7f7f, 0x0080, 0x0000, 0x8000, 0x7f80, 0xff80, 0x4049, 0x3eab];
  const expected = [
    1,
    -2,
    3.3895313892515355e38,
    1.1754943508222875e-38,
    0,
    -0,
    Infinity,
    -Infinity,
    3.140625,
    0.333984375,
  ];
  assert.deepEqual([...widened("BF16", words)], expected);
});

test("float32 passes through bit by bit", () => {
  const source = Float32Array.of(1.5, -0, 1e-45, 3.4e38);
  const target = new Float32Array(4);
  widen("F32", new Uint8Array(source.buffer), target);
  assert.deepEqual(target, source);
});

for (const type of ["F16", "BF16"] as const) {
  test(`every ${type} that is a number comes back from float32 bit by bit`, () => {
    const exponent = type === "F16" ? 0x7c00 : 0x7f80;
    const words = Array.from({ length: 65536 }, (_, word) => word).filter(
      (word) => (word & exponent) !== exponent,
    );
    const target = new Uint16Array(words.length);
    assert.equal(narrow(type, widened(type, words), new Uint8Array(target.buffer)), undefined);
    assert.deepEqual([...target], words);
  });
}

test("narrowing rounds to the nearest, between two to the even one", () => {
  const between = (low: number, high: number) => (low + high) / 2;
  const source = Float32Array.of(between(1, 1.0078125), between(1.0078125, 1.015625), 1.004, Number.NaN);
  const target = new Uint16Array(source.length);
  narrow("BF16", source, new Uint8Array(target.buffer));
  assert.deepEqual([...target.subarray(0, 3)], [0x3f80, 0x3f82, 0x3f81]);
  assert.ok(Number.isNaN(widened("BF16", [target[3]!])[0]));
});

test("a value too large for the type is told", () => {
  const target = new Uint8Array(8);
  assert.equal(narrow("F16", Float32Array.of(65504, 65520), target), 65520);
  assert.equal(narrow("F16", Float32Array.of(Infinity, 65519), target), undefined);
});
