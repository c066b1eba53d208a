/** What the layers of one kind of attention are fed in a step, in the form of src/model/blocks/attention-runs.ts. */
import type { AttentionKind } from "../model/attention-kinds.ts";
import {
  RUN_FIELDS,
  type RunField,
  type RunList,
  SCALE_FIELDS,
  type ScaleField,
} from "../model/blocks/attention-runs.ts";
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

type Feeds = Readonly<Record<string, Tensor>>;

/** A step's feeds, by their names without the number of the kind. */
export interface AttentionFeeds {
  readonly feeds: Feeds;
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
    const fields = runs.map((run) => fieldsOf(run, shape));
    const places = (run: SpreadRun) => repeat(run.places, shape.numKvHeads);
    return {
      feeds: {
        single: tensor("bool", Uint8Array.of(runs.length === 1 ? 1 : 0), [1]),
        ...fieldFeeds(fields),
        ...listFeeds(
          "tables",
          runs.map((run) => run.table),
          (table) => tensor("int32", table, [table.length]),
        ),
        ...listFeeds(
          "newRows",
          runs.map((run) => run.newRows),
          int64s,
        ),
        ...listFeeds("places", runs.map(places), int64s),
        ...this.#maskFeeds(runs),
      },
      numKeys: runs.reduce((sum, run) => sum + run.numTables * run.numKeys, 0),
    };
  }

  #maskFeeds(runs: readonly AttentionRun[]): Feeds {
    this.#masks.reset();
    const lengths = runs.map((run) => run.positions.length * run.numKeys);
    const masks = this.#masks.take(lengths.reduce((sum, length) => sum + length, 0));
    let start = 0;
    for (const [index, run] of runs.entries()) {
      fillMask(masks.subarray(start, start + lengths[index]!), run, this.#options.kind);
      start += lengths[index]!;
    }
    return { masks: tensor("float32", masks, [start]), masksLengths: int64s(lengths) };
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

/** The numbers of a run. */
function fieldsOf(
  run: SpreadRun,
  { numHeads, numKvHeads: KV, headDim: D }: AttentionShape,
): Record<RunField | ScaleField, readonly number[]> {
  const { numBatches: B, queriesPerBatch: S, numKeys: L, numTables: T, productDims, firstQuery } = run;
  const G = numHeads / KV;
  const newPerTable = run.newRows.length / T;
  return {
    queryDims: [B, S, KV, G, D],
    productDims,
    scoreDims: [KV, B, S, G, L],
    mixedDims: [KV, B, S, G, D],
    maskDims: [B, S, 1, L],
    tableDims: [T, run.pagesPerTable],
    keyDims: [KV * T, L, D],
    headKeyDims: [KV, T, 1, L, D],
    newKeyDims: [KV * T, newPerTable, D],
    scaleDims: [KV * T, L, 1],
    headScaleDims: [KV, T, 1, 1, L],
    newScaleDims: [KV * T, newPerTable, 1],
    firstQuery: [firstQuery],
    endQuery: [firstQuery + B * S],
  };
}

/** A matrix of each number, a row for each run. */
function fieldFeeds(runs: readonly ReturnType<typeof fieldsOf>[]): Feeds {
  const names = Object.keys({ ...RUN_FIELDS, ...SCALE_FIELDS }) as (RunField | ScaleField)[];
  const feeds = names.map((name) => {
    const numbers = runs.flatMap((run) => run[name]);
    return [name, int64s(numbers, [runs.length, numbers.length / runs.length])] as const;
  });
  return Object.fromEntries(feeds);
}

/** The lists of all runs one behind the other, and how long each is. */
function listFeeds(
  name: RunList,
  lists: readonly Int32Array[],
  toTensor: (list: Int32Array) => Tensor,
): Feeds {
  const lengths = lists.map((list) => list.length);
  const whole = new Int32Array(lengths.reduce((sum, length) => sum + length, 0));
  let start = 0;
  for (const list of lists) {
    whole.set(list, start);
    start += list.length;
  }
  return { [name]: toTensor(whole), [`${name}Lengths`]: int64s(lengths) };
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

function int64s(list: ArrayLike<number>, dims: readonly number[] = [list.length]): Tensor {
  return tensor("int64", BigInt64Array.from(list, BigInt), dims);
}
