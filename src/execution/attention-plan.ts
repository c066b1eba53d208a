/**
 * Plans the attention runs of a step: single queries (decodes) of similar length side by side in one run, chunks of a
 * prompt in runs of their own, each cut so that its scores stay in a bounded piece of memory.
 *
 * A run is `wide` when it has at least one product (head × batch) for each thread. Otherwise it must run on fewer threads:
 * given more threads than products, MLAS cuts a product and with it the order of its sums.
 */
import { keyQuantum } from "../model/blocks/attention-math.ts";
import type { AttentionShape } from "./attention-graph.ts";
import { groupByLength } from "./length-groups.ts";

/** Consecutive tokens of one sequence that ask; their own keys already lie in pages. */
export interface QueryPiece {
  /** Pages of the sequence. */
  readonly blockTable: Int32Array;
  /** Of the first query. */
  readonly position: number;
  /** Keys that every query sees, even one ahead of them; 0 for causal attention. */
  readonly prefixLen: number;
  readonly numQueries: number;
}

/** One run of an attention session; rows of q and att are those of its queries, in the order of the pieces. */
export interface AttentionRun {
  readonly firstQuery: number;
  readonly numBatches: number;
  readonly queriesPerBatch: number;
  /** [numTables, pagesPerTable], flat; one table for each batch, or one for all. */
  readonly table: Int32Array;
  readonly pagesPerTable: number;
  readonly numTables: number;
  readonly numKeys: number;
  /** Position of each query. [numBatches * queriesPerBatch] */
  readonly positions: Int32Array;
  /** Where the keys end that each query may see: behind itself, or behind the prefix. [numBatches * queriesPerBatch] */
  readonly keyEnds: Int32Array;
  /** Position of the first key each query's table holds. [numBatches * queriesPerBatch] */
  readonly keyStarts: Int32Array;
  /** Rows of the step whose own keys the queries see, table after table. [numTables * new rows of a table] */
  readonly newRows: Int32Array;
  /** Where among its keys the first new row of each table belongs. [numTables] */
  readonly places: Int32Array;
  readonly wide: boolean;
}

/** What planning depends on. */
export interface AttentionPlanOptions {
  readonly shape: AttentionShape;
  readonly window: number | null;
  /** Of a wide run. */
  readonly threads: number;
}

/** Queries of one chunk that attend in one run: enough for full speed, few enough to skip most of the causal half. */
const MAX_QUERIES = 64;
/** Packing a block of keys pays from about this many queries on, whatever the scores take. */
const MIN_QUERIES = 8;
/** Scores of one run for each thread: 8 MiB. Fewer gather the same keys more often, more leave the caches. */
const SCORES_PER_THREAD = 2 ** 21;
/** Keys and values of one run of decodes for each thread, in bytes: few enough to be multiplied while still in cache. */
const GATHER_BYTES_PER_THREAD = 2 ** 22;
/** What starting one more run costs, as bytes gathered in the same time. */
const RUN_COST_BYTES = 2 ** 19;
/** Windows start at multiples of this: no block in which MLAS sums over keys is longer, so blocks fall alike. */
const KEY_START_QUANTUM = 1024;

/** Threads of the session for runs that are not wide: no more than one sequence has products. */
export function narrowThreads(shape: AttentionShape, threads: number): number {
  return Math.min(threads, shape.numKvHeads);
}

/** Runs for all queries of `pieces`, whose rows lie one after the other; pieces with one query come first. */
export function planAttention(pieces: readonly QueryPiece[], options: AttentionPlanOptions): AttentionRun[] {
  const numSingles = countSingles(pieces);
  const runs = planSingles(pieces.slice(0, numSingles), options);
  let firstQuery = numSingles;
  for (const piece of pieces.slice(numSingles)) {
    planChunk(runs, piece, firstQuery, options);
    firstQuery += piece.numQueries;
  }
  return runs;
}

function countSingles(pieces: readonly QueryPiece[]): number {
  const firstChunk = pieces.findIndex((piece) => piece.numQueries > 1);
  return firstChunk === -1 ? pieces.length : firstChunk;
}

function planSingles(pieces: readonly QueryPiece[], options: AttentionPlanOptions): AttentionRun[] {
  const { shape, threads } = options;
  const spans = pieces.map((piece) => keySpan(piece.position, keyEnd(piece, piece.position), options));
  const keyBytes = 2 * shape.numKvHeads * shape.headDim * Float32Array.BYTES_PER_ELEMENT;
  const costs = {
    runKeys: RUN_COST_BYTES / keyBytes,
    maxKeys: (threads * GATHER_BYTES_PER_THREAD) / keyBytes,
    minMembers: Math.ceil(threads / shape.numKvHeads),
  };
  const ends = groupByLength(
    spans.map((span) => span.numKeys),
    costs,
  );
  return ends.map((end, group) => {
    const start = ends[group - 1] ?? 0;
    const members = pieces.slice(start, end);
    const memberSpans = spans.slice(start, end);
    const numKeys = Math.max(...memberSpans.map((span) => span.numKeys));
    const pagesPerTable = numKeys / shape.pageSize;
    const tables = members.map(({ blockTable }, i) =>
      blockTable.subarray(memberSpans[i]!.start / shape.pageSize),
    );
    return {
      firstQuery: start,
      numBatches: members.length,
      queriesPerBatch: 1,
      table: padTables(tables, pagesPerTable),
      pagesPerTable,
      numTables: members.length,
      numKeys,
      positions: Int32Array.from(members, (piece) => piece.position),
      keyEnds: Int32Array.from(members, (piece) => keyEnd(piece, piece.position)),
      keyStarts: Int32Array.from(memberSpans, (span) => span.start),
      newRows: Int32Array.from(members, (_, i) => start + i),
      places: Int32Array.from(members, (piece, i) => piece.position - memberSpans[i]!.start),
      wide: members.length * shape.numKvHeads >= threads,
    };
  });
}

function planChunk(
  runs: AttentionRun[],
  piece: QueryPiece,
  firstQuery: number,
  options: AttentionPlanOptions,
): void {
  const { shape, threads } = options;
  // Heads times batches become a multiple of the threads, so that none is idle.
  const batches = threads / greatestCommonDivisor(threads, shape.numKvHeads);
  for (let done = 0; done < piece.numQueries; ) {
    const position = piece.position + done;
    const wanted = Math.min(piece.numQueries - done, maxQueriesAt(position, options));
    const wide = wanted >= batches;
    const numQueries = wide ? wanted - (wanted % batches) : wanted;
    const positions = Int32Array.from({ length: numQueries }, (_, row) => position + row);
    const keyEnds = positions.map((own) => keyEnd(piece, own));
    const { start, numKeys } = keySpan(position, keyEnds.at(-1)!, options);
    // ONNX Runtime folds batches that share the only head's keys into one product, so there each gets its own table.
    const numTables = wide && shape.numKvHeads === 1 ? batches : 1;
    const pagesPerTable = numKeys / shape.pageSize;
    const visiblePages = piece.blockTable.subarray(start / shape.pageSize);
    const firstNew = Math.max(piece.position, start);
    const endNew = Math.min(piece.position + piece.numQueries, keyEnds.at(-1)!);
    const newRows = Array.from(
      { length: endNew - firstNew },
      (_, i) => firstQuery + firstNew - piece.position + i,
    );
    runs.push({
      firstQuery: firstQuery + done,
      numBatches: wide ? batches : 1,
      queriesPerBatch: wide ? numQueries / batches : numQueries,
      table: padTables(
        Array.from({ length: numTables }, () => visiblePages),
        pagesPerTable,
      ),
      pagesPerTable,
      numTables,
      numKeys,
      positions,
      keyEnds,
      keyStarts: new Int32Array(numQueries).fill(start),
      newRows: Int32Array.from(Array.from({ length: numTables }, () => newRows).flat()),
      places: new Int32Array(numTables).fill(firstNew - start),
      wide,
    });
    done += numQueries;
  }
}

function maxQueriesAt(position: number, { shape, threads }: AttentionPlanOptions): number {
  const scoresPerQuery = shape.numHeads * (position + MAX_QUERIES);
  const numQueries = Math.floor((threads * SCORES_PER_THREAD) / scoresPerQuery);
  return Math.max(MIN_QUERIES, Math.min(MAX_QUERIES, numQueries));
}

function keyEnd(piece: QueryPiece, position: number): number {
  return Math.max(position + 1, piece.prefixLen);
}

/** The keys up to `end` that queries from `first` on can see, widened to the quanta. */
function keySpan(
  first: number,
  end: number,
  { shape, window }: AttentionPlanOptions,
): { readonly start: number; readonly numKeys: number } {
  const firstVisible = window === null ? 0 : Math.max(0, first - window + 1);
  const start = firstVisible - (firstVisible % KEY_START_QUANTUM);
  const quantum = Math.max(keyQuantum(shape.headDim), shape.pageSize);
  return { start, numKeys: Math.ceil((end - start) / quantum) * quantum };
}

/** One row of `length` pages for each table; what lies beyond a table's end is masked and may be any page of its own. */
function padTables(tables: readonly Int32Array[], length: number): Int32Array {
  const rows = new Int32Array(tables.length * length);
  for (const [index, table] of tables.entries()) {
    const row = rows.subarray(index * length, (index + 1) * length);
    row.fill(table[0]!);
    row.set(table.subarray(0, length));
  }
  return rows;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
