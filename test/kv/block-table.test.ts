import assert from "node:assert/strict";
import { test } from "node:test";
import { BlockPool } from "../../src/kv/block-pool.ts";
import { BlockTable } from "../../src/kv/block-table.ts";

const PAGE_SIZE = 4;

function pagesOf(table: BlockTable): number[] {
  return Array.from({ length: table.numPages }, (_, index) => table.page(index));
}

function setUp(numPages: number) {
  const pool = new BlockPool(numPages);
  return { pool, table: new BlockTable(pool, PAGE_SIZE, 1), copies: [] as number[] };
}

test("a table grows a page at a time, when a position needs it", () => {
  const { table, copies } = setUp(8);
  assert.ok(table.reserve(0, 3, copies));
  assert.ok(table.reserve(3, 4, copies));
  assert.deepEqual(pagesOf(table), [0]);
  assert.ok(table.reserve(4, 5, copies));
  assert.ok(table.reserve(5, 13, copies));
  assert.deepEqual(pagesOf(table), [0, 1, 2, 3]);
  assert.deepEqual(copies, []);
});

test("too few pages: nothing is taken", () => {
  const { pool, table, copies } = setUp(2);
  assert.equal(table.reserve(0, 9, copies), false);
  assert.deepEqual([table.numPages, pool.numFree], [0, 2]);
});

test("forks share every page; the first to write into a partial one gets a copy, the last keeps it", () => {
  const { pool, table, copies } = setUp(8);
  table.reserve(0, 6, copies);
  const forks = [table.fork(2), table.fork(3)];
  assert.equal(pool.refCount(1), 3);
  assert.equal(table.numPagesToReserve(6, 7), 1);
  for (const each of [table, ...forks]) assert.ok(each.reserve(6, 7, copies));
  assert.deepEqual(copies, [1, 2, 1, 3]);
  assert.deepEqual([table, ...forks].map(pagesOf), [
    [0, 2],
    [0, 3],
    [0, 1],
  ]);
});

test("full shared pages are never copied", () => {
  const { table, copies } = setUp(8);
  table.reserve(0, 8, copies);
  const fork = table.fork(2);
  assert.ok(fork.reserve(8, 9, copies));
  assert.deepEqual(copies, []);
  assert.deepEqual(pagesOf(fork), [0, 1, 2]);
});

test("a copy that finds no page changes nothing", () => {
  const { pool, table, copies } = setUp(2);
  table.reserve(0, 6, copies);
  const fork = table.fork(2);
  assert.equal(fork.reserve(6, 7, copies), false);
  assert.deepEqual([copies, pagesOf(fork), pool.refCount(1)], [[], [0, 1], 2]);
});

test("release empties the table and leaves forks alone", () => {
  const { pool, table, copies } = setUp(4);
  table.reserve(0, 8, copies);
  const fork = table.fork(2);
  table.release();
  assert.deepEqual([table.numPages, pool.numFree], [0, 2]);
  fork.release();
  assert.equal(pool.numFree, 4);
  assert.ok(table.reserve(0, 16, copies));
});

test("a page that is not there is a bug", () => {
  assert.throws(() => setUp(1).table.page(0), { code: "internal" });
  assert.throws(() => setUp(1).table.writeTo(new Int32Array(1), 0, 1), { code: "internal" });
});
