import assert from "node:assert/strict";
import { test } from "node:test";
import type { AttentionShape } from "../../src/execution/attention-graph.ts";
import type { QueryPiece } from "../../src/execution/attention-plan.ts";
import { PagedAttention } from "../../src/execution/paged-attention.ts";
import { KV_DTYPES, type KvDtype, type KvRows } from "../../src/kv/forms/kv-form.ts";
import {
  createKvMemory,
  type KvLayout,
  type KvPool,
  kvPools,
  slotOf,
  writeKvRows,
} from "../../src/kv/kv-memory.ts";
import type { AttentionSpec } from "../../src/model/compiled-model.ts";
import { readRows } from "../kv/read-rows.ts";
import { assertSameBits, PAGE_SIZE } from "./stage.ts";

/** Sequences of random keys, values and queries, in pages scattered over one pool. */
interface AttentionStage {
  readonly shape: AttentionShape;
  readonly layout: KvLayout;
  readonly pool: KvPool;
  readonly sequences: readonly Sequence[];
}

interface Sequence {
  readonly numTokens: number;
  readonly blockTable: Int32Array;
  readonly q: Float32Array;
  /** As the pages hold them. */
  readonly k: Float64Array;
  readonly v: Float64Array;
}

function randomSource(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 31 - 1) * 2;
  };
}

function setStage(
  shape: AttentionShape,
  lengths: readonly number[],
  kvDtype: KvDtype = "f32",
): AttentionStage {
  const random = randomSource(1);
  const floats = (length: number) => Float32Array.from({ length }, random);
  const pagesOf = lengths.map((length) => Math.ceil(length / shape.pageSize));
  const numPages = pagesOf.reduce((sum, pages) => sum + pages, 0) + 3;
  const layout: KvLayout = { ...shape, numLayers: 1, numPages, kvDtype };
  const pool = kvPools(createKvMemory(layout))[0]!;
  const scattered = Array.from({ length: numPages }, (_, page) => (page * 7 + 3) % numPages);
  const free = new Set(scattered).size === numPages ? scattered : [...scattered.keys()].reverse();
  const sequences = lengths.map((numTokens, index) => {
    const blockTable = Int32Array.from({ length: pagesOf[index]! }, () => free.pop()!);
    const slots = Int32Array.from({ length: numTokens }, (_, position) =>
      slotOf(blockTable, position, shape.pageSize),
    );
    const [k, v] = [pool.keys, pool.values].map((rows) => {
      writeKvRows(rows, layout, floats(numTokens * shape.numKvHeads * shape.headDim), slots);
      return readTokens(rows, layout, slots);
    });
    return { numTokens, blockTable, q: floats(numTokens * shape.numHeads * shape.headDim), k: k!, v: v! };
  });
  return { shape, layout, pool, sequences };
}

/** What lies in the slots. [numTokens, numKvHeads * headDim] */
function readTokens(rows: KvRows, layout: KvLayout, slots: Int32Array): Float64Array {
  const { numKvHeads, numPages, pageSize, headDim } = layout;
  const tokens = new Float64Array(slots.length * numKvHeads * headDim);
  for (const [token, slot] of slots.entries()) {
    for (let head = 0; head < numKvHeads; head++) {
      const row = readRows(rows, headDim, head * numPages * pageSize + slot, 1);
      tokens.set(row, (token * numKvHeads + head) * headDim);
    }
  }
  return tokens;
}

/** Attention of queries [from, to) of each listed sequence in one step. */
function attend(
  attention: PagedAttention,
  stage: AttentionStage,
  queries: readonly { readonly sequence: number; readonly from: number; readonly to: number }[],
  prefixLen = 0,
): Float32Array[] {
  const width = stage.shape.numHeads * stage.shape.headDim;
  const pieces: QueryPiece[] = queries.map(({ sequence, from, to }) => ({
    blockTable: stage.sequences[sequence]!.blockTable,
    position: from,
    prefixLen,
    numQueries: to - from,
  }));
  const rows = queries.map(({ sequence, from, to }) =>
    stage.sequences[sequence]!.q.subarray(from * width, to * width),
  );
  const att = attention.run(attention.prepare(pieces), concat(rows), stage.pool).slice();
  let end = 0;
  return rows.map((row) => {
    end += row.length;
    return att.subarray(end - row.length, end);
  });
}

function concat(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

function plainAttention(
  shape: AttentionShape,
  spec: AttentionSpec,
  sequence: Sequence,
  position: number,
  prefixLen = 0,
): Float64Array {
  const { numHeads, numKvHeads, headDim } = shape;
  const out = new Float64Array(numHeads * headDim);
  const first = spec.window === null ? 0 : Math.max(0, position - spec.window + 1);
  for (let head = 0; head < numHeads; head++) {
    const kvHead = Math.floor((head * numKvHeads) / numHeads);
    const keyOf = (key: number) => (key * numKvHeads + kvHead) * headDim;
    const queryOf = (position * numHeads + head) * headDim;
    const scores: number[] = [];
    for (let key = first; key < Math.max(position + 1, prefixLen); key++) {
      let dot = 0;
      for (let d = 0; d < headDim; d++) dot += sequence.q[queryOf + d]! * sequence.k[keyOf(key) + d]!;
      let score = dot * spec.scale;
      if (spec.softcap !== null) score = spec.softcap * Math.tanh(score / spec.softcap);
      if (spec.alibiSlopes !== null) score += spec.alibiSlopes[head]! * (key - position);
      scores.push(score);
    }
    const max = Math.max(...scores);
    const weights = scores.map((score) => Math.exp(score - max));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    for (const [index, weight] of weights.entries()) {
      for (let d = 0; d < headDim; d++) {
        out[head * headDim + d]! += (weight / total) * sequence.v[keyOf(first + index) + d]!;
      }
    }
  }
  return out;
}

function plainSpec(headDim: number): AttentionSpec {
  return { scale: 1 / Math.sqrt(headDim), window: null, softcap: null, alibiSlopes: null };
}

function withAttention<T>(
  { shape, layout: { kvDtype } }: AttentionStage,
  spec: AttentionSpec,
  threads: number,
  use: (attention: PagedAttention) => T,
): T {
  const attention = new PagedAttention({ shape, spec, kvDtype, threads });
  try {
    return use(attention);
  } finally {
    attention.release();
  }
}

const HEADS: readonly (readonly [numHeads: number, numKvHeads: number, headDim: number])[] = [
  [2, 2, 64],
  [4, 4, 16],
  [4, 2, 32],
  [4, 1, 128],
  [8, 2, 64],
  [8, 1, 16],
  [3, 1, 80],
  [2, 1, 256],
];

const CASES = KV_DTYPES.flatMap((kvDtype) => HEADS.map((heads) => ({ kvDtype, heads })));

for (const { kvDtype, heads } of CASES) {
  const [numHeads, numKvHeads, headDim] = heads;
  const shape: AttentionShape = { numHeads, numKvHeads, headDim, pageSize: PAGE_SIZE };
  const name = `${numHeads} heads on ${numKvHeads} of ${headDim} in ${kvDtype}`;
  const lengths = [1, 2, 16, 17, 63, 64, 65, 100, 129, 130, 200, 257, 300];

  test(`attention - ${name} agrees with plain arithmetic`, () => {
    const stage = setStage(shape, [150], kvDtype);
    const spec = plainSpec(headDim);
    const [att] = withAttention(stage, spec, 2, (attention) =>
      attend(attention, stage, [{ sequence: 0, from: 0, to: 150 }]),
    );
    const width = numHeads * headDim;
    for (const position of [0, 1, 15, 16, 63, 64, 127, 128, 149]) {
      const expected = plainAttention(shape, spec, stage.sequences[0]!, position);
      for (let i = 0; i < width; i++) {
        assert.ok(Math.abs(att![position * width + i]! - expected[i]!) < 1e-5, `position ${position}`);
      }
    }
  });

  test(`attention - ${name} gives the same bits in decode, in any chunk, in any company, on any threads`, () => {
    const stage = setStage(shape, lengths, kvDtype);
    const width = numHeads * headDim;
    const spec = plainSpec(headDim);
    const alone = withAttention(stage, spec, 1, (attention) =>
      stage.sequences.map(({ numTokens }, sequence) => {
        const rows = Array.from(
          { length: numTokens },
          (_, position) => attend(attention, stage, [{ sequence, from: position, to: position + 1 }])[0]!,
        );
        const all = new Float32Array(numTokens * width);
        for (const [position, row] of rows.entries()) all.set(row, position * width);
        return all;
      }),
    );
    for (const threads of [1, 2, 3]) {
      withAttention(stage, spec, threads, (attention) => {
        const whole = lengths.map((to, sequence) => ({ sequence, from: 0, to }));
        for (const [i, att] of attend(attention, stage, whole).entries()) {
          assertSameBits(att, alone[i]!, `sequence ${i} whole, ${threads} threads`);
        }
        for (const step of [1, 3, 7, 64, 128]) {
          for (let from = 0; from < lengths.at(-1)!; from += step) {
            const batch = whole
              .filter(({ to }) => to > from)
              .map(({ sequence, to }) => ({ sequence, from, to: Math.min(to, from + step) }))
              .sort((a, b) => Number(a.to - a.from > 1) - Number(b.to - b.from > 1));
            for (const [i, att] of attend(attention, stage, batch).entries()) {
              const { sequence, to } = batch[i]!;
              const expected = alone[sequence]!.subarray(from * width, to * width);
              assertSameBits(att, expected, `sequence ${sequence} [${from}, ${to}), ${threads} threads`);
            }
          }
        }
      });
    }
  });
}

const SHAPE: AttentionShape = { numHeads: 4, numKvHeads: 2, headDim: 32, pageSize: PAGE_SIZE };
const PLAIN = plainSpec(SHAPE.headDim);
const VARIANTS: readonly (readonly [name: string, spec: AttentionSpec])[] = [
  ["sliding window", { ...PLAIN, window: 33 }],
  ["soft cap", { ...PLAIN, softcap: 1.5 }],
  ["ALiBi", { ...PLAIN, alibiSlopes: [0.5, 0.25, 0.125, 0.0625] }],
  ["window, soft cap and ALiBi", { scale: 1, window: 50, softcap: 1, alibiSlopes: [1, 0.5, 0.25, 0.125] }],
];

for (const kvDtype of KV_DTYPES) {
  for (const [name, spec] of VARIANTS) {
    test(`attention - ${name} in ${kvDtype} agrees with plain arithmetic and keeps its bits`, () => {
      const stage = setStage(SHAPE, [130, 70], kvDtype);
      const width = SHAPE.numHeads * SHAPE.headDim;
      withAttention(stage, spec, 2, (attention) => {
        const whole = [
          { sequence: 0, from: 0, to: 130 },
          { sequence: 1, from: 0, to: 70 },
        ];
        const [att, other] = attend(attention, stage, whole);
        for (const position of [0, 1, 31, 32, 33, 34, 49, 50, 51, 100, 129]) {
          const row = att!.subarray(position * width, (position + 1) * width);
          const expected = plainAttention(SHAPE, spec, stage.sequences[0]!, position);
          for (const [i, value] of row.entries()) {
            assert.ok(
              Math.abs(value - expected[i]!) < 1e-5,
              `position ${position}: ${value}, expected ${expected[i]}`,
            );
          }
          const otherPosition = position % 70;
          const [alone, otherAlone] = attend(attention, stage, [
            { sequence: 0, from: position, to: position + 1 },
            { sequence: 1, from: otherPosition, to: otherPosition + 1 },
          ]);
          assertSameBits(row, alone!, `position ${position}`);
          const otherRow = other!.subarray(otherPosition * width, (otherPosition + 1) * width);
          assertSameBits(otherRow, otherAlone!, `other sequence, position ${otherPosition}`);
        }
      });
    });
  }

  test(`attention - ${kvDtype}: inside a prefix a query sees all of it, behind it what came before`, () => {
    const stage = setStage(SHAPE, [300], kvDtype);
    const width = SHAPE.numHeads * SHAPE.headDim;
    withAttention(stage, PLAIN, 2, (attention) => {
      const [att] = attend(attention, stage, [{ sequence: 0, from: 0, to: 300 }], 257);
      for (const position of [0, 1, 63, 127, 128, 255, 256, 257, 299]) {
        const row = att!.subarray(position * width, (position + 1) * width);
        const expected = plainAttention(SHAPE, PLAIN, stage.sequences[0]!, position, 257);
        for (const [i, value] of row.entries())
          assert.ok(Math.abs(value - expected[i]!) < 1e-5, `${position}`);
        const [alone] = attend(attention, stage, [{ sequence: 0, from: position, to: position + 1 }], 257);
        assertSameBits(row, alone!, `position ${position}`);
      }
    });
  });

  test(`attention - ${kvDtype}: cut at every place, both parts have the bits of the whole`, () => {
    const stage = setStage(SHAPE, [70], kvDtype);
    const width = SHAPE.numHeads * SHAPE.headDim;
    withAttention(stage, PLAIN, 2, (attention) => {
      const [whole] = attend(attention, stage, [{ sequence: 0, from: 0, to: 70 }]);
      for (let cut = 1; cut < 70; cut++) {
        const [head] = attend(attention, stage, [{ sequence: 0, from: 0, to: cut }]);
        const [tail] = attend(attention, stage, [{ sequence: 0, from: cut, to: 70 }]);
        assertSameBits(head!, whole!.subarray(0, cut * width), `before ${cut}`);
        assertSameBits(tail!, whole!.subarray(cut * width), `from ${cut}`);
      }
    });
  });

  test(`attention - ${kvDtype}: decodes in a crowd of 2 to 32 sequences have the bits they have alone`, () => {
    const lengths = Array.from({ length: 32 }, (_, i) => 1 + ((i * 97) % 600));
    const stage = setStage(SHAPE, lengths, kvDtype);
    withAttention(stage, PLAIN, 2, (attention) => {
      const decodes = lengths.map((length, sequence) => ({ sequence, from: length - 1, to: length }));
      const alone = decodes.map((decode) => attend(attention, stage, [decode])[0]!);
      for (const size of [2, 3, 5, 8, 16, 31, 32]) {
        const crowd = decodes.slice(0, size).sort((a, b) => a.to - b.to);
        for (const [i, att] of attend(attention, stage, crowd).entries()) {
          assertSameBits(att, alone[crowd[i]!.sequence]!, `sequence ${crowd[i]!.sequence} of ${size}`);
        }
      }
    });
  });

  for (const window of [null, 1100]) {
    test(`attention - long contexts keep their bits and agree with plain arithmetic, window ${window}, ${kvDtype}`, () => {
      const spec = { ...PLAIN, window };
      const stage = setStage(SHAPE, [2700], kvDtype);
      const width = SHAPE.numHeads * SHAPE.headDim;
      withAttention(stage, spec, 2, (attention) => {
        const from = 2000;
        const [chunk] = attend(attention, stage, [{ sequence: 0, from, to: 2700 }]);
        for (const position of [2000, 2047, 2048, 2111, 2112, 2122, 2123, 2124, 2500, 2699]) {
          const [alone] = attend(attention, stage, [{ sequence: 0, from: position, to: position + 1 }]);
          const row = chunk!.subarray((position - from) * width, (position - from + 1) * width);
          assertSameBits(row, alone!, `position ${position}`);
          const expected = plainAttention(SHAPE, spec, stage.sequences[0]!, position);
          for (const [i, value] of row.entries()) assert.ok(Math.abs(value - expected[i]!) < 1e-5);
        }
      });
    });
  }

  test(`attention - ${kvDtype}: what a page held before, even if not finite, reaches nobody`, () => {
    const stage = setStage(SHAPE, [5], kvDtype);
    const { layout, pool } = stage;
    const { blockTable } = stage.sequences[0]!;
    const slots = Int32Array.from({ length: 5 }, (_, position) => slotOf(blockTable, position, PAGE_SIZE));
    const source = Float32Array.from({ length: 5 * 2 * 32 }, (_, i) => Math.sin(i));
    const rewrite = (): void => {
      for (const rows of [pool.keys, pool.values]) writeKvRows(rows, layout, source, slots);
    };
    withAttention(stage, PLAIN, 1, (attention) => {
      const query = [{ sequence: 0, from: 4, to: 5 }];
      rewrite();
      const [before] = attend(attention, stage, query);
      const poison = new Float32Array(32).fill(Number.NaN);
      for (const rows of [pool.keys, pool.values]) {
        for (let row = 0; row < 2 * layout.numPages * PAGE_SIZE; row++) rows.write(row, poison, 0);
      }
      rewrite();
      assertSameBits(attend(attention, stage, query)[0]!, before!, "after reuse");
    });
  });
}
