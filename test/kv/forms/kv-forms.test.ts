import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { KV_DTYPES, type KvDtype, type KvRows } from "../../../src/kv/forms/kv-form.ts";
import { KV_FORMS } from "../../../src/kv/forms/kv-forms.ts";
import { halfValue, readRows } from "../read-rows.ts";

function openRows(dtype: KvDtype, headDim: number, numRows = 8): KvRows {
  const buffer = new SharedArrayBuffer(numRows * KV_FORMS[dtype].rowBytes(headDim));
  return KV_FORMS[dtype].open(buffer, { numRows, headDim, pageSize: 8 });
}

/** What one row reads after `values` were written to it. */
function roundTrip(dtype: KvDtype, values: readonly number[]): number[] {
  const rows = openRows(dtype, values.length);
  rows.write(5, Float32Array.of(7, ...values, 7), 1);
  return [...readRows(rows, values.length, 5, 1)];
}

for (const dtype of KV_DTYPES) {
  test(`${dtype} rows - one row is written, its neighbours are left alone`, () => {
    const rows = openRows(dtype, 4);
    for (let row = 0; row < 8; row++) rows.write(row, Float32Array.of(1, -1, 1, 1), 0);
    rows.write(3, Float32Array.of(9, 2, -4, 0, 1, 9), 1);
    const step = dtype === "int8" ? 4 / 254 : 0;
    for (const [i, value] of readRows(rows, 4, 3, 1).entries()) {
      assert.ok(Math.abs(value - [2, -4, 0, 1][i]!) <= step + 1e-6);
    }
    for (const row of [2, 4]) {
      for (const value of readRows(rows, 4, row, 1)) assert.ok(Math.abs(Math.abs(value) - 1) < 1e-6);
    }
  });

  test(`${dtype} rows - cleared rows read as zeros whatever they held, and only they`, () => {
    const rows = openRows(dtype, 4);
    for (let row = 0; row < 8; row++) rows.write(row, Float32Array.of(Number.NaN, 1, 1, 1), 0);
    rows.clear(2, 5);
    assert.deepEqual([...readRows(rows, 4, 2, 5)], Array(20).fill(0));
    for (const row of [0, 1, 7]) assert.ok(readRows(rows, 4, row, 1).some(Number.isNaN));
  });

  test(`${dtype} rows - a copy reads the same`, () => {
    const rows = openRows(dtype, 4);
    for (let row = 0; row < 3; row++) rows.write(row, Float32Array.of(row, 0.3, -2 * row, 5), 0);
    rows.copy(0, 4, 3);
    assert.deepEqual(readRows(rows, 4, 4, 3), readRows(rows, 4, 0, 3));
    assert.deepEqual([...readRows(rows, 4, 7, 1)], [0, 0, 0, 0]);
  });

  test(`${dtype} rows - zeros are zeros`, () => {
    for (const value of roundTrip(dtype, [0, -0, 0, 0])) assert.ok(value === 0);
  });

  test(`${dtype} rows - a row with NaN does not read as finite numbers`, () => {
    assert.ok(roundTrip(dtype, [1, Number.NaN, 2, 3]).some(Number.isNaN));
    assert.ok(roundTrip(dtype, [1, 2, 3, Number.NaN]).some(Number.isNaN));
  });
}

test("f32 rows - are what was written", () => {
  assert.deepEqual(roundTrip("f32", [1 / 3, -1e30, 1e-40]), [...Float32Array.of(1 / 3, -1e30, 1e-40)]);
});

test("f16 rows - every half float is kept; infinities become the largest", () => {
  const rows = openRows("f16", 1, 65_536);
  for (let bits = 0; bits < 65_536; bits++) rows.write(bits, Float32Array.of(halfValue(bits)), 0);
  for (let bits = 0; bits < 65_536; bits++) {
    const value = halfValue(bits);
    const written = rows.data[bits]!;
    if (Number.isNaN(value)) assert.ok(Number.isNaN(halfValue(written)));
    else assert.equal(written, Number.isFinite(value) ? bits : bits - 1);
  }
});

test("f16 rows - between two half floats the nearest is taken, in the middle the even one", () => {
  const rows = openRows("f16", 3, 8);
  const below = (x: number) => nextFloat(x, -1);
  const above = (x: number) => nextFloat(x, 1);
  for (let bits = 0; bits < 0x7bff; bits++) {
    for (const sign of [1, -1]) {
      const middle = (sign * (halfValue(bits) + halfValue(bits + 1))) / 2; // exact in float32
      rows.write(0, Float32Array.of(sign * below(sign * middle), middle, sign * above(sign * middle)), 0);
      const signBit = sign === 1 ? 0 : 0x8000;
      const even = bits % 2 === 0 ? bits : bits + 1;
      assert.deepEqual([...rows.data.subarray(0, 3)], [signBit | bits, signBit | even, signBit | (bits + 1)]);
    }
  }
});

test("f16 rows - what is too large becomes the largest half float", () => {
  assert.deepEqual(roundTrip("f16", [65_519, 65_520, 1e30, -1e30]), [65_504, 65_504, 65_504, -65_504]);
});

test("int8 rows - no element is off by more than half a step of its row", () => {
  const float = fc.float({
    noNaN: true,
    noDefaultInfinity: true,
    min: Math.fround(-1e30),
    max: Math.fround(1e30),
  });
  fc.assert(
    fc.property(fc.array(float, { minLength: 1, maxLength: 64 }), (values) => {
      const largest = Math.max(...values.map(Math.abs));
      const step = largest / 127;
      // The scale itself is a float32, coarse for the smallest of them.
      const slack = Math.max(largest * 2 ** -23, 127 * 2 ** -149);
      for (const [i, value] of roundTrip("int8", values).entries()) {
        assert.ok(Math.abs(value - values[i]!) <= step / 2 + slack, `${values[i]} reads ${value}`);
      }
    }),
    { numRuns: 300 },
  );
});

test("int8 rows - halves go to the even neighbour, on both sides of zero", () => {
  const halves = [0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 126.5, -126.5];
  assert.deepEqual(
    roundTrip("int8", [127, ...halves]).map((value) => value + 0),
    [127, 0, 2, 2, 0, -2, -2, 126, -126],
  );
});

test("int8 rows - the largest element is kept, whatever its sign", () => {
  assert.equal(roundTrip("int8", [0.5, -12.7, 3])[1], 127 * -Math.fround(Math.fround(12.7) / 127));
});

test("int8 rows - an infinite element makes its row unreadable, not wrong", () => {
  assert.ok(roundTrip("int8", [1, Number.NEGATIVE_INFINITY, 2]).every(Number.isNaN));
});

test("int8 rows - a row does not depend on what else is written", () => {
  const rows = openRows("int8", 4);
  rows.write(0, Float32Array.of(0.1, 0.2, 0.3, 0.4), 0);
  const before = readRows(rows, 4, 0, 1);
  rows.write(1, Float32Array.of(1000, -1000, 0, 1), 0);
  assert.deepEqual(readRows(rows, 4, 0, 1), before);
});

/** The next float32 up (1) or down (-1). */
function nextFloat(value: number, direction: 1 | -1): number {
  const floats = Float32Array.of(value);
  const bits = new Int32Array(floats.buffer);
  bits[0]! += direction * (value >= 0 ? 1 : -1);
  return floats[0]!;
}
