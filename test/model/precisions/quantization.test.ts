import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { quantizeBlocks } from "../../../src/model/precisions/w4.ts";
import { quantizeRows } from "../../../src/model/precisions/w8.ts";

const weights = fc
  .tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 80 }))
  .chain(([numRows, inputs]) =>
    fc.record({
      numRows: fc.constant(numRows),
      inputs: fc.constant(inputs),
      values: fc.float32Array({
        minLength: numRows * inputs,
        maxLength: numRows * inputs,
        min: -1000,
        max: 1000,
        noNaN: true,
      }),
    }),
  );

test("an int8 weight is off by at most half a step of its row", () => {
  fc.assert(
    fc.property(weights, ({ numRows, inputs, values }) => {
      const quantized = new Int8Array(values.length);
      const scales = quantizeRows(values, numRows, quantized);
      for (let row = 0; row < numRows; row++) {
        for (let column = 0; column < inputs; column++) {
          const restored = quantized[column * numRows + row]! * scales[row]!;
          const error = Math.abs(restored - values[row * inputs + column]!);
          assert.ok(error <= scales[row]! * 0.5001 + 1e-37, `row ${row}, column ${column}: ${error}`);
        }
      }
    }),
    { numRuns: 100 },
  );
});

test("a 4-bit block is no worse than plain Q4_0 rounding", () => {
  fc.assert(
    fc.property(weights, ({ numRows, inputs, values }) => {
      const numBlocks = Math.ceil(inputs / 32);
      const packed = new Uint8Array(numRows * numBlocks * 16);
      const scales = quantizeBlocks(values, numRows, packed);
      for (let row = 0; row < numRows; row++) {
        for (let block = 0; block < numBlocks; block++) {
          const source = values.subarray(
            row * inputs + block * 32,
            Math.min((block + 1) * 32, inputs) + row * inputs,
          );
          const index = row * numBlocks + block;
          const restored = unpack(packed, index).map((level) => level * scales[index]!);
          const allowed = squaredError(source, plainQ40(source));
          assert.ok(squaredError(source, restored) <= allowed * 1.0001 + 1e-30);
          assert.ok(restored.slice(source.length).every((value) => value === 0));
        }
      }
    }),
    { numRuns: 100 },
  );
});

function unpack(packed: Uint8Array, block: number): number[] {
  const bytes = [...packed.subarray(block * 16, block * 16 + 16)];
  return bytes.flatMap((byte) => [(byte & 15) - 8, (byte >> 4) - 8]);
}

function plainQ40(values: Float32Array): number[] {
  const extreme = values.reduce((best, value) => (Math.abs(value) > Math.abs(best) ? value : best), 0);
  const scale = extreme / -8;
  return [...values].map((value) => (scale === 0 ? 0 : Math.min(Math.round(value / scale), 7) * scale));
}

function squaredError(values: Float32Array, restored: readonly number[]): number {
  return values.reduce((sum, value, i) => sum + (value - restored[i]!) ** 2, 0);
}

test("zeros stay zeros and do not divide by zero", () => {
  const quantized = new Int8Array(8).fill(1);
  assert.deepEqual([...quantizeRows(new Float32Array(8), 2, quantized)], [0, 0]);
  assert.ok(quantized.every((value) => value === 0));
  const packed = new Uint8Array(16);
  assert.deepEqual([...quantizeBlocks(new Float32Array(32), 1, packed)], [0]);
  assert.ok(packed.every((byte) => byte === 0x88));
});
