/** What the layers of one kind of attention are fed in a step, in the form of src/model/blocks/attention-runs.ts. */
import type { AttentionKind } from "../model/attention-kinds.ts";
import { RUN_FIELDS, RUN_WIDTH, type RunField } from "../model/blocks/attention-runs.ts";
import type { AttentionShape } from "./attention-graph.ts";
import { fillMask } from "./attention-mask.ts";
import { type AttentionRun, planAttention, type QueryPiece } from "./attention-plan.ts";
import { FloatScratch } from "./float-scratch.ts";
import { type Tensor, tensor } from "./onnx-runtime.ts";

/** What a kind's feeds depend on. */
export interface StackAttentionOptions {
  readonly shape: AttentionShape;
  readonly kind: AttentionKind;
  /** Of the sessions; no more than there are query heads. */
  readonly threads: number;
}

/** A step's feeds, by their names without the number of the kind. */
export interface AttentionFeeds {
  readonly feeds: Readonly<Record<string, Tensor>>;
  /** Keys that one layer gathers, padding included, for each of its heads of keys. */
  readonly numKeys: number;
}

/** A run, its tables written out as often as its products need them. */
interface SpreadRun extends AttentionRun {
  readonly productDims: readonly number[];
}

/** Plans the runs of one kind of attention. */
export class StackAttention {
  readonly #options: StackAttentionOptions;
  readonly #masks = new FloatScratch();

  constructor(options: StackAttentionOptions) {
    this.#options = options;
  }

  /** @returns feeds that are valid until the next call */
  prepare(pieces: readonly QueryPiece[]): AttentionFeeds {
    const { shape, kind, threads } = this.#options;
    const planned = planAttention(pieces, { shape, window: kind.window, threads });
    const runs = planned.map((run) => spread(run, shape, threads));
    const table = new RunTable(shape);
    for (const run of runs) table.add(run);
    return {
      feeds: {
        runs: tensor("int64", BigInt64Array.from(table.numbers, BigInt), [runs.length, RUN_WIDTH]),
        single: tensor("bool", Uint8Array.of(runs.length === 1 ? 1 : 0), [1]),
        tables: int32s(concat(runs, (run) => run.table)),
        masks: this.#maskOf(runs),
        newRows: int64s(concat(runs, (run) => run.newRows)),
        places: int64s(concat(runs, (run) => repeat(run.places, shape.numKvHeads))),
      },
      numKeys: runs.reduce((sum, run) => sum + run.numTables * run.numKeys, 0),
    };
  }

  #maskOf(runs: readonly AttentionRun[]): Tensor {
    this.#masks.reset();
    const masks = this.#masks.take(runs.reduce((sum, run) => sum + run.positions.length * run.numKeys, 0));
    let start = 0;
    for (const run of runs) {
      const length = run.positions.length * run.numKeys;
      fillMask(masks.subarray(start, start + length), run, this.#options.kind);
      start += length;
    }
    return tensor("float32", masks, [masks.length]);
  }
}

/**
 * Cuts a run's products so that no two threads share one (see attention-plan.ts). Where heads of keys are few, each query head
 * gets a product of its own; ONNX Runtime would fold those of a single head of keys into one again unless each has its own table.
 */
function spread(
  run: AttentionRun,
  { numHeads, numKvHeads, headDim }: AttentionShape,
  threads: number,
): SpreadRun {
  const { numBatches, queriesPerBatch } = run;
  const numRows = (queriesPerBatch * numHeads) / numKvHeads;
  if (run.wide) return { ...run, productDims: [numKvHeads, numBatches, 1, numRows, headDim] };
  if (numKvHeads > 1) return { ...run, productDims: [numKvHeads, numBatches, numRows, 1, headDim] };
  let copies = 1;
  while (numRows % copies !== 0 || numBatches * copies < threads) copies++;
  const perTable = run.newRows.length / run.numTables;
  return {
    ...run,
    productDims: [1, numBatches * copies, 1, numRows / copies, headDim],
    numTables: run.numTables * copies,
    table: repeatEach(run.table, run.pagesPerTable, copies),
    newRows: repeatEach(run.newRows, perTable, copies),
    places: repeatEach(run.places, 1, copies),
  };
}

/** What runs have a share of each. */
type Span = "query" | "page" | "mask" | "newRow" | "place";

/** The rows of `runs`. */
class RunTable {
  readonly numbers: number[] = [];
  readonly #shape: AttentionShape;
  readonly #ends: Record<Span, number> = { query: 0, page: 0, mask: 0, newRow: 0, place: 0 };

  constructor(shape: AttentionShape) {
    this.#shape = shape;
  }

  add(run: SpreadRun): void {
    const { numHeads, numKvHeads: KV, headDim: D } = this.#shape;
    const { numBatches: B, queriesPerBatch: S, numKeys: L, numTables: T, productDims } = run;
    const G = numHeads / KV;
    const newPerTable = run.newRows.length / T;
    const [firstQuery, endQuery] = this.#span("query", B * S);
    const [firstPage, endPage] = this.#span("page", run.table.length);
    const [firstMask, endMask] = this.#span("mask", B * S * L);
    const [firstNewRow, endNewRow] = this.#span("newRow", run.newRows.length);
    const [firstPlace, endPlace] = this.#span("place", KV * T);
    const fields: Record<RunField, readonly number[]> = {
      queryDims: [B, S, KV, G, D],
      productDims,
      scoreDims: [KV, B, S, G, L],
      mixedDims: [KV, B, S, G, D],
      maskDims: [B, S, 1, L],
      tableDims: [T, run.pagesPerTable],
      keyDims: [KV * T, L, D],
      headKeyDims: [KV, T, 1, L, D],
      scaleDims: [KV * T, L, 1],
      headScaleDims: [KV, T, 1, 1, L],
      newKeyDims: [KV * T, newPerTable, D],
      newScaleDims: [KV * T, newPerTable, 1],
      firstQuery: [firstQuery],
      endQuery: [endQuery],
      firstPage: [firstPage],
      endPage: [endPage],
      firstMask: [firstMask],
      endMask: [endMask],
      firstNewRow: [firstNewRow],
      endNewRow: [endNewRow],
      firstPlace: [firstPlace],
      endPlace: [endPlace],
    };
    for (const name of Object.keys(RUN_FIELDS) as RunField[]) this.numbers.push(...fields[name]);
  }

  #span(what: Span, length: number): readonly [first: number, end: number] {
    const first = this.#ends[what];
    this.#ends[what] += length;
    return [first, first + length];
  }
}

function concat(runs: readonly AttentionRun[], of: (run: AttentionRun) => Int32Array): Int32Array {
  const parts = runs.map(of);
  const whole = new Int32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let start = 0;
  for (const part of parts) {
    whole.set(part, start);
    start += part.length;
  }
  return whole;
}

/** The whole list, `times` over. */
function repeat(list: Int32Array, times: number): Int32Array {
  return repeatEach(list, list.length, times);
}

/** Every `length` elements, `times` over. */
function repeatEach(list: Int32Array, length: number, times: number): Int32Array {
  const result = new Int32Array(list.length * times);
  for (let start = 0; start < list.length; start += length) {
    const part = list.subarray(start, start + length);
    for (let i = 0; i < times; i++) result.set(part, start * times + i * length);
  }
  return result;
}

function int64s(list: Int32Array): Tensor {
  return tensor("int64", BigInt64Array.from(list, BigInt), [list.length]);
}

function int32s(list: Int32Array): Tensor {
  return tensor("int32", list, [list.length]);
}
