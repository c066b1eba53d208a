import assert from "node:assert/strict";
import { test } from "node:test";
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

const LAYOUT: KvLayout = { numLayers: 2, numKvHeads: 3, headDim: 4, pageSize: 8, numPages: 5 };

/** Rows whose value tells head, token and dimension apart. */
function tellingRows(numTokens: number): Float32Array {
  const { numKvHeads, headDim } = LAYOUT;
  return Float32Array.from({ length: numTokens * numKvHeads * headDim }, (_, i) => i + 1);
}

test("KV memory - a page takes keys and values of all layers", () => {
  assert.equal(kvPageBytes(LAYOUT), 2 * 2 * 3 * 8 * 4 * 4);
  assert.equal(numPagesWithin(LAYOUT, 10 * kvPageBytes(LAYOUT) + 1), 10);
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

test("KV memory - buffers are shared, zeroed and survive a structured clone", () => {
  const memory = createKvMemory(LAYOUT);
  const clone = structuredClone(memory);
  kvPools(memory)[1]!.values[7] = 42;
  assert.equal(kvPools(clone)[1]!.values[7], 42);
  assert.equal(kvPools(clone)[0]!.values[7], 0);
  assert.equal(kvPools(clone)[0]!.keys.length, 3 * 5 * 8 * 4);
});

test("KV memory - rows land in the slots of the block table, head by head", () => {
  const pool = kvPools(createKvMemory(LAYOUT))[0]!.keys;
  const table = Int32Array.of(4, 1);
  const rows = tellingRows(10);
  writeKvRows(
    pool,
    LAYOUT,
    rows,
    Int32Array.from({ length: 10 }, (_, position) => slotOf(table, position, 8)),
  );
  for (let token = 0; token < 10; token++) {
    for (let head = 0; head < 3; head++) {
      const place = ((head * 5 + (token < 8 ? 4 : 1)) * 8 + (token % 8)) * 4;
      assert.deepEqual(
        [...pool.subarray(place, place + 4)],
        [...rows.subarray((token * 3 + head) * 4, (token * 3 + head) * 4 + 4)],
      );
    }
  }
});

test("KV memory - the first token of a page clears what a former owner left in the rest of it, no other token does", () => {
  const pool = kvPools(createKvMemory(LAYOUT))[0]!.keys.fill(Number.NaN);
  writeKvRows(pool, LAYOUT, tellingRows(1), Int32Array.of(slotOf(Int32Array.of(2), 0, 8)));
  for (let head = 0; head < 3; head++) {
    const page = pool.subarray((head * 5 + 2) * 32, (head * 5 + 3) * 32);
    assert.deepEqual([...page.subarray(4)], Array(28).fill(0));
  }
  assert.ok(Number.isNaN(pool[1 * 32]!) && Number.isNaN(pool[3 * 32]!), "neighbours are left alone");
  const before = pool.slice();
  writeKvRows(pool, LAYOUT, tellingRows(1), Int32Array.of(slotOf(Int32Array.of(2), 3, 8)));
  const changed = [...pool.keys()].filter((i) => !Object.is(pool[i], before[i]));
  assert.equal(changed.length, 3 * 4);
});

test("KV memory - a page is copied in every head", () => {
  const pool = kvPools(createKvMemory(LAYOUT))[0]!.keys;
  for (const index of pool.keys()) pool[index] = index;
  copyKvPage(pool, LAYOUT, 1, 3);
  for (let head = 0; head < 3; head++) {
    const page = (number: number) => [
      ...pool.subarray((head * 5 + number) * 32, (head * 5 + number + 1) * 32),
    ];
    assert.deepEqual(page(3), page(1));
    assert.equal(page(2)[0], (head * 5 + 2) * 32);
  }
});

test("KV memory - a block table that does not reach a token is a broken invariant", () => {
  assert.throws(() => slotOf(Int32Array.of(0), 8, 8), { code: "internal" });
});
