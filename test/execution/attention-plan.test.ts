import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { AttentionShape } from "../../src/execution/attention-graph.ts";
import { type AttentionRun, planAttention, type QueryPiece } from "../../src/execution/attention-plan.ts";

const SHAPE: AttentionShape = { numHeads: 8, numKvHeads: 4, headDim: 64, pageSize: 16 };

function piece(position: number, numQueries: number): QueryPiece {
  const numPages = Math.ceil((position + numQueries) / SHAPE.pageSize);
  const blockTable = Int32Array.from({ length: numPages }, (_, i) => 1000 + i);
  return { blockTable, position, prefixLen: 0, numQueries };
}

function numProducts(run: AttentionRun, shape: AttentionShape): number {
  return run.numBatches * shape.numKvHeads;
}

test("attention plan - a prompt is cut so that early queries do not gather the keys of late ones", () => {
  const runs = planAttention([piece(0, 150)], { shape: SHAPE, window: null, threads: 2 });
  assert.deepEqual(
    runs.map((run) => [run.firstQuery, run.positions.length, run.numKeys]),
    [
      [0, 64, 64],
      [64, 64, 128],
      [128, 22, 192],
    ],
  );
});

test("attention plan - the longer the context, the fewer queries ask at a time, so that scores stay in cache", () => {
  const sizes = (position: number) =>
    planAttention([piece(position, 256)], { shape: SHAPE, window: null, threads: 2 }).map(
      (run) => run.positions.length,
    );
  assert.deepEqual(sizes(1000), [64, 64, 64, 64]);
  assert.deepEqual(sizes(12_000).slice(0, 2), [43, 43]);
  assert.deepEqual(new Set(sizes(1_000_000)), new Set([8]));
});

test("attention plan - decodes share a run while their pages fit the cache, and while threads would be idle", () => {
  const sizes = (position: number, threads: number, numKvHeads: number) =>
    planAttention(
      Array.from({ length: 8 }, () => piece(position, 1)),
      { shape: { ...SHAPE, numKvHeads }, window: null, threads },
    ).map((run) => run.numBatches);
  assert.deepEqual(sizes(3000, 1, 4), Array(8).fill(1));
  assert.deepEqual(sizes(3000, 4, 4), [2, 2, 2, 2]);
  assert.deepEqual(sizes(9000, 4, 1), [4, 4]);
});

test("attention plan - a window leaves out what lies before it, from a fixed grid on", () => {
  const [run] = planAttention([piece(5000, 1)], { shape: SHAPE, window: 1000, threads: 2 });
  assert.deepEqual([run!.keyStarts[0], run!.numKeys, run!.table[0]], [3072, 1984, 1000 + 3072 / 16]);
});

test("attention plan - a run says which rows of the step its queries see, and where among its keys", () => {
  const options = { shape: SHAPE, window: null, threads: 2 };
  const [decodes] = planAttention([piece(20, 1), piece(30, 1)], options);
  assert.deepEqual(
    [[...decodes!.newRows], [...decodes!.places]],
    [
      [0, 1],
      [20, 30],
    ],
  );
  const [, early, late] = planAttention([piece(20, 1), piece(40, 66)], options);
  assert.deepEqual([early!.newRows.length, early!.newRows[0], early!.newRows.at(-1)], [64, 1, 64]);
  assert.deepEqual([late!.newRows.length, late!.newRows[0], late!.newRows.at(-1)], [66, 1, 66]);
  assert.deepEqual([[...early!.places], [...late!.places]], [[40], [40]]);
});

test("attention plan - behind a window's grid, a run sees only the new rows that are still in it", () => {
  const runs = planAttention([piece(900, 512)], { shape: SHAPE, window: 64, threads: 2 });
  const last = runs.at(-1)!;
  assert.equal(last.keyStarts[0], 1024);
  assert.deepEqual([last.places[0], last.newRows[0], last.newRows.at(-1)], [0, 1024 - 900, 511]);
});

test("attention plan - padding repeats a page of the sequence itself", () => {
  const [run] = planAttention([piece(20, 1)], { shape: SHAPE, window: null, threads: 2 });
  assert.deepEqual([...run!.table], [1000, 1001, 1000, 1000]);
});

test("attention plan - with one key head every batch gets its own table, otherwise they share one", () => {
  const shape = { ...SHAPE, numKvHeads: 1 };
  const [single] = planAttention([piece(0, 64)], { shape, window: null, threads: 4 });
  assert.deepEqual([single!.numBatches, single!.numTables, single!.wide], [4, 4, true]);
  const [shared] = planAttention([piece(0, 64)], { shape: SHAPE, window: null, threads: 8 });
  assert.deepEqual([shared!.numBatches, shared!.numTables, shared!.wide], [2, 1, true]);
});

test("attention plan - covers every query once and never gives a wide run fewer products than threads", () => {
  const pieces = fc.array(fc.tuple(fc.integer({ min: 0, max: 3000 }), fc.integer({ min: 1, max: 400 })), {
    minLength: 1,
    maxLength: 12,
  });
  const options = fc.record({
    numKvHeads: fc.constantFrom(1, 2, 4, 8),
    threads: fc.integer({ min: 1, max: 16 }),
    window: fc.option(fc.integer({ min: 1, max: 2000 })),
  });
  fc.assert(
    fc.property(pieces, options, (sizes, { numKvHeads, threads, window }) => {
      const shape = { ...SHAPE, numKvHeads };
      const row = sizes.map(([position, numQueries]) => piece(position, numQueries));
      row.sort((a, b) => Number(a.numQueries > 1) - Number(b.numQueries > 1));
      const runs = planAttention(row, { shape, window, threads });
      const expected = row.flatMap(({ position, numQueries }) =>
        Array.from({ length: numQueries }, (_, i) => position + i),
      );
      assert.deepEqual(
        runs.flatMap((run) => [...run.positions]),
        expected,
      );
      for (const run of runs) {
        assert.equal(run.numBatches * run.queriesPerBatch, run.positions.length);
        assert.equal(run.table.length, run.numTables * run.pagesPerTable);
        assert.equal(run.numKeys, run.pagesPerTable * shape.pageSize);
        assert.equal(run.numKeys % 64, 0);
        if (run.wide) assert.ok(numProducts(run, shape) >= threads);
        for (const [i, position] of run.positions.entries()) {
          const start = run.keyStarts[i]!;
          assert.ok(
            position - start < run.numKeys && start <= Math.max(0, position + 1 - (window ?? position + 1)),
          );
        }
      }
    }),
    { numRuns: 100 },
  );
});
