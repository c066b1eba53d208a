import assert from "node:assert/strict";
import { test } from "node:test";
import { KV_DTYPES, type KvDtype, type KvRows } from "../../src/kv/forms/kv-form.ts";
import {
  copyKvPage,
  createKvMemory,
  type KvLayout,
  kvPageBytes,
  kvPools,
  numPagesWithin,
  slotOf,
  writeKvRows,
} from "../../src/kv/kv-memory.ts";
import { readRows } from "./read-rows.ts";

const LAYOUT: KvLayout = {
  numLayers: 2,
  numKvHeads: 3,
  headDim: 4,
  pageSize: 8,
  numPages: 5,
  kvDtype: "f32",
};

/** Rows whose value tells head, token and dimension apart. */
function tellingRows(numTokens: number): Float32Array {
  const { numKvHeads, headDim } = LAYOUT;
  return Float32Array.from({ length: numTokens * numKvHeads * headDim }, (_, i) => i + 1);
}

/** The key pool of the first layer, every row NaN. */
function poisonedPool(kvDtype: KvDtype): KvRows {
  const pool = kvPools(createKvMemory({ ...LAYOUT, kvDtype }))[0]!.keys;
  for (let row = 0; row < 3 * 5 * 8; row++) pool.write(row, new Float32Array(4).fill(Number.NaN), 0);
  return pool;
}

test("KV memory - a page takes keys and values of all layers, and in int8 a scale for each token and head", () => {
  const rows = 2 * 2 * 3 * 8;
  assert.equal(kvPageBytes(LAYOUT), rows * 4 * 4);
  assert.equal(kvPageBytes({ ...LAYOUT, kvDtype: "f16" }), rows * 4 * 2);
  assert.equal(kvPageBytes({ ...LAYOUT, kvDtype: "int8" }), rows * (4 + 4));
  for (const kvDtype of KV_DTYPES) {
    const layout = { ...LAYOUT, kvDtype };
    assert.equal(numPagesWithin(layout, 10 * kvPageBytes(layout) + 1), 10);
    const { layers } = createKvMemory(layout);
    const numBytes = layers.reduce((sum, { keys, values }) => sum + keys.byteLength + values.byteLength, 0);
    assert.equal(numBytes, 5 * kvPageBytes(layout));
  }
});

test("KV memory - a budget below one page is refused with both numbers", () => {
  assert.throws(() => numPagesWithin(LAYOUT, 100), {
    code: "invalid_config",
    details: { budgetBytes: 100, pageBytes: 1536 },
  });
});

test("KV memory - more than the machine can give is a coded error", () => {
  assert.throws(() => createKvMemory({ ...LAYOUT, numPages: 2 ** 50 }), { code: "invalid_config" });
});

for (const kvDtype of KV_DTYPES) {
  const layout = { ...LAYOUT, kvDtype };
  /** Rows read as if nothing had been rounded, nearly. */
  const assertReads = (actual: Float64Array, expected: ArrayLike<number>): void => {
    const allowed = kvDtype === "int8" ? Math.max(...Array.from(expected)) / 250 : 0;
    for (const [i, value] of actual.entries()) assert.ok(Math.abs(value - expected[i]!) <= allowed);
  };

  test(`KV memory - ${kvDtype} buffers are shared, zeroed and survive a structured clone`, () => {
    const memory = createKvMemory(layout);
    const clone = structuredClone(memory);
    kvPools(memory)[1]!.values.write(7, Float32Array.of(0, 127, 0, 0), 0);
    const [first, second] = kvPools(clone);
    assert.deepEqual([...readRows(second!.values, 4, 7, 1)], [0, 127, 0, 0]);
    for (const rows of [first!.keys, first!.values, second!.keys]) {
      assert.deepEqual([...readRows(rows, 4, 0, 3 * 5 * 8)], Array(3 * 5 * 8 * 4).fill(0));
    }
  });

  test(`KV memory - ${kvDtype} rows land in the slots of the block table, head by head`, () => {
    const pool = kvPools(createKvMemory(layout))[0]!.keys;
    const table = Int32Array.of(4, 1);
    const rows = tellingRows(10);
    const slots = Int32Array.from({ length: 10 }, (_, position) => slotOf(table, position, 8));
    writeKvRows(pool, layout, rows, slots);
    for (let token = 0; token < 10; token++) {
      for (let head = 0; head < 3; head++) {
        const row = (head * 5 + (token < 8 ? 4 : 1)) * 8 + (token % 8);
        const start = (token * 3 + head) * 4;
        assertReads(readRows(pool, 4, row, 1), rows.subarray(start, start + 4));
      }
    }
  });

  test(`KV memory - ${kvDtype}: the first token of a page clears what a former owner left in the rest of it, no other token does`, () => {
    const pool = poisonedPool(kvDtype);
    writeKvRows(pool, layout, tellingRows(1), Int32Array.of(slotOf(Int32Array.of(2), 0, 8)));
    for (let head = 0; head < 3; head++) {
      const page = (head * 5 + 2) * 8;
      assert.deepEqual([...readRows(pool, 4, page + 1, 7)], Array(28).fill(0));
      for (const row of [page - 1, page + 8]) assert.ok(readRows(pool, 4, row, 1).every(Number.isNaN));
    }
    const before = readRows(pool, 4, 0, 3 * 5 * 8);
    writeKvRows(pool, layout, tellingRows(1), Int32Array.of(slotOf(Int32Array.of(2), 3, 8)));
    const after = readRows(pool, 4, 0, 3 * 5 * 8);
    assert.equal(after.filter((value, i) => !Object.is(value, before[i])).length, 3 * 4);
  });

  test(`KV memory - ${kvDtype}: of a copied page only what is asked for crosses, in every head`, () => {
    for (const numTokens of [0, 3, 8]) {
      const pool = poisonedPool(kvDtype);
      const slots = Int32Array.from({ length: 3 }, (_, place) => 8 + place);
      writeKvRows(pool, layout, tellingRows(3), slots);
      for (let head = 0; head < 3; head++) {
        // Behind the tokens lies something that must not spread.
        pool.write((head * 5 + 1) * 8 + 3, new Float32Array(4).fill(Number.NaN), 0);
      }
      copyKvPage(pool, layout, [1, 3], numTokens);
      for (let head = 0; head < 3; head++) {
        const page = (number: number) => readRows(pool, 4, (head * 5 + number) * 8, 8);
        assert.deepEqual(page(3).subarray(0, numTokens * 4), page(1).subarray(0, numTokens * 4));
        assert.ok(
          page(3)
            .subarray(numTokens * 4)
            .every((value) => value === 0),
        );
        assert.ok(page(2).every(Number.isNaN) && page(4).every(Number.isNaN), "neighbours are left alone");
      }
    }
  });
}

test("KV memory - a block table that does not reach a token is a broken invariant", () => {
  assert.throws(() => slotOf(Int32Array.of(0), 8, 8), { code: "internal" });
});
