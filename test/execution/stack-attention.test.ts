import assert from "node:assert/strict";
import { test } from "node:test";
import type { AttentionShape } from "../../src/execution/attention-graph.ts";
import { StackAttention } from "../../src/execution/stack-attention.ts";
import type { RunField } from "../../src/model/blocks/attention-runs.ts";

const SHAPE: AttentionShape = { numHeads: 8, numKvHeads: 4, headDim: 64, pageSize: 16 };

function piece(position: number, numQueries: number, firstPage = 0) {
  const numPages = Math.ceil((position + numQueries) / SHAPE.pageSize);
  const blockTable = Int32Array.from({ length: numPages }, (_, page) => firstPage + page);
  return { blockTable, position, prefixLen: 0, numQueries };
}

function prepare(
  pieces: readonly ReturnType<typeof piece>[],
  shape: Partial<AttentionShape>,
  threads: number,
) {
  const kind = { window: null, distances: false };
  const attention = new StackAttention({ shape: { ...SHAPE, ...shape }, kind, threads });
  const { feeds, numKeys } = attention.prepare(pieces);
  const list = (name: string) => Array.from(feeds[name]!.data as Iterable<number | bigint>, Number);
  const rows = (field: RunField): number[][] => {
    const [numRuns, count] = feeds[field]!.dims as [number, number];
    return Array.from({ length: numRuns }, (_, run) => list(field).slice(run * count, (run + 1) * count));
  };
  return { list, rows, numKeys };
}

test("stack attention - every run has its own share of rows, pages, masks and places, one behind the other", () => {
  const { list, rows, numKeys } = prepare([piece(5, 1, 100), piece(900, 1, 200), piece(0, 50, 300)], {}, 2);
  assert.deepEqual(list("single"), [0]);
  assert.deepEqual(
    [list("firstQuery"), list("endQuery")],
    [
      [0, 1, 2],
      [1, 2, 52],
    ],
  );
  assert.deepEqual(rows("tableDims"), [
    [1, 4],
    [1, 60],
    [1, 4],
  ]);
  assert.deepEqual(list("tablesLengths"), [4, 60, 4]);
  assert.deepEqual(list("masksLengths"), [64, 960, 50 * 64]);
  assert.deepEqual(
    [list("newRowsLengths"), list("placesLengths")],
    [
      [1, 1, 50],
      [4, 4, 4],
    ],
  );
  assert.deepEqual(list("places"), [5, 5, 5, 5, 900, 900, 900, 900, 0, 0, 0, 0]);
  assert.deepEqual(
    list("newRows"),
    Array.from({ length: 52 }, (_, row) => row),
  );
  assert.equal(numKeys, 64 + 960 + 64);
  assert.equal(list("masks").length, 64 + 960 + 50 * 64);
});

test("stack attention - no product is shared by two threads", () => {
  const shapes = [
    [4, 2],
    [4, 3],
    [4, 8],
    [2, 8],
    [1, 1],
    [1, 2],
    [1, 3],
    [1, 8],
  ] as const;
  for (const [numKvHeads, threads] of shapes) {
    for (const pieces of [[piece(40, 1)], [piece(40, 1), piece(41, 1)], [piece(0, 5)], [piece(0, 30)]]) {
      const { rows: of } = prepare(pieces, { numKvHeads }, threads);
      for (const [run, productDims] of of("productDims").entries()) {
        const [scoreDims, tableDims] = [of("scoreDims")[run]!, of("tableDims")[run]!];
        const [heads, products, groups, rows] = productDims as [number, number, number, number];
        assert.ok(heads * products * groups >= threads, `${productDims} for ${threads} threads`);
        const [, batches, queries, group] = scoreDims as [number, number, number, number];
        assert.equal(products * groups * rows, batches * queries * group);
        // One head of keys for all batches would be folded into one product.
        if (numKvHeads === 1) assert.equal(tableDims[0], products);
      }
    }
  }
});

test("stack attention - tables that are copied for more products bring their new rows and places", () => {
  const { list, rows } = prepare([piece(20, 1, 100)], { numKvHeads: 1 }, 4);
  assert.deepEqual(rows("tableDims"), [[4, 4]]);
  assert.deepEqual(
    list("tables"),
    [1, 2, 3, 4].flatMap(() => [100, 101, 100, 100]),
  );
  assert.deepEqual([list("newRows"), list("places")], [Array(4).fill(0), Array(4).fill(20)]);
});
