import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { dequantizeBlocks, quantizeBlocks } from "../../../src/model/precisions/w4.ts";
import { quantizeRows } from "../../../src/model/precisions/w8.ts";

const weights = fc
  .tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 150 }))
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

test("a 4-bit block is no worse than plain Q4_0 rounding, whatever its size", () => {
  fc.assert(
    fc.property(weights, fc.constantFrom(32, 128), ({ numRows, inputs, values }, blockSize) => {
      const numBlocks = Math.ceil(inputs / blockSize);
      const packed = new Uint8Array(numRows * numBlocks * (blockSize / 2));
      const scales = quantizeBlocks(values, numRows, { packed, blockSize });
      const decoded = new Float32Array(values.length);
      dequantizeBlocks(packed, scales, numRows, decoded);
      for (let row = 0; row < numRows; row++) {
        for (let block = 0; block < numBlocks; block++) {
          const source = values.subarray(
            row * inputs + block * blockSize,
            Math.min((block + 1) * blockSize, inputs) + row * inputs,
          );
          const index = row * numBlocks + block;
          const restored = unpack(packed, blockSize, index).map((level) => level * scales[index]!);
          const allowed = squaredError(source, plainQ40(source));
          assert.ok(squaredError(source, restored) <= allowed * 1.0001 + 1e-30);
          assert.ok(restored.slice(source.length).every((value) => value === 0));
          const start = source.byteOffset / 4;
          assert.deepEqual(
            decoded.slice(start, start + source.length),
            Float32Array.from(restored.slice(0, source.length)),
          );
        }
      }
    }),
    { numRuns: 100 },
  );
});

function unpack(packed: Uint8Array, blockSize: number, block: number): number[] {
  const bytes = [...packed.subarray((block * blockSize) / 2, ((block + 1) * blockSize) / 2)];
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
  assert.deepEqual([...quantizeBlocks(new Float32Array(32), 1, { packed, blockSize: 32 })], [0]);
  assert.ok(packed.every((byte) => byte === 0x88));
});
