/**
 * One kind of attention, ready to run over any layer's pages: plans the runs of a step once, then serves every layer of
 * its kind with them.
 */
import type { KvDtype } from "../kv/forms/kv-form.ts";
import { KV_FORMS } from "../kv/forms/kv-forms.ts";
import type { KvPool } from "../kv/kv-memory.ts";
import type { AttentionSpec } from "../model/compiled-model.ts";
import { type AttentionShape, buildAttentionGraph } from "./attention-graph.ts";
import { fillMask } from "./attention-mask.ts";
import { type AttentionRun, narrowThreads, planAttention, type QueryPiece } from "./attention-plan.ts";
import { FloatScratch } from "./float-scratch.ts";
import { LatestResults } from "./latest-results.ts";
import { loadSession, type Session, type Tensor, tensor } from "./onnx-runtime.ts";
import { pageFeeds } from "./page-inputs.ts";
import type { RunMeter } from "./run-meter.ts";

/** What a kind of attention is made from. */
export interface PagedAttentionOptions {
  readonly shape: AttentionShape;
  readonly spec: AttentionSpec;
  readonly kvDtype: KvDtype;
  readonly threads: number;
  /** Counts runs and what they gather. */
  readonly meter?: RunMeter;
}

/** The runs of one step with all that does not change from layer to layer. */
export interface PreparedAttention {
  readonly numQueries: number;
  readonly runs: readonly PreparedRun[];
}

interface PreparedRun {
  readonly session: Session;
  readonly firstQuery: number;
  readonly numQueries: number;
  readonly queryDims: readonly number[];
  readonly table: Tensor;
  readonly mask: Tensor;
  readonly scoreDims: Tensor;
  readonly gatheredBytes: number;
}

const FETCHES = ["att"] as const;

/** Attention over pages. The bits of a query's row depend on its own keys alone, whatever runs beside it. */
export class PagedAttention {
  readonly #options: PagedAttentionOptions;
  readonly #wide: Session;
  readonly #narrow: Session;
  readonly #masks = new FloatScratch();
  readonly #att = new FloatScratch();
  readonly #latest = new LatestResults();

  constructor(options: PagedAttentionOptions) {
    this.#options = options;
    const { shape, spec, kvDtype, threads, meter } = options;
    const graph = buildAttentionGraph(shape, spec, kvDtype);
    // Optimisation would fold the halving that keeps products off the one-row path (see attention-graph.ts) into them.
    const load = (name: string, numThreads: number) =>
      loadSession(graph, { name, threads: numThreads, keepArena: true, optimization: "disabled", meter });
    this.#wide = load("attention", threads);
    const narrow = narrowThreads(shape, threads);
    this.#narrow = narrow === threads ? this.#wide : load("narrow attention", narrow);
  }

  /** Plans a step. What the former call gave is no longer valid. */
  prepare(pieces: readonly QueryPiece[]): PreparedAttention {
    const { shape, spec, threads } = this.#options;
    this.#masks.reset();
    const runs = planAttention(pieces, { shape, window: spec.window, threads });
    return {
      numQueries: runs.reduce((sum, run) => sum + run.positions.length, 0),
      runs: runs.map((run) => this.#prepareRun(run)),
    };
  }

  /**
   * @param q float32 [numQueries, numHeads * headDim], rows in the order of the pieces
   * @returns att of the same shape, valid until the next call
   */
  run(prepared: PreparedAttention, q: Float32Array, pool: KvPool): Float32Array {
    const { shape, kvDtype, meter } = this.#options;
    const width = shape.numHeads * shape.headDim;
    const keys = pageFeeds(shape, kvDtype, "keys", pool.keys);
    const values = pageFeeds(shape, kvDtype, "values", pool.values);
    this.#att.reset();
    const att = prepared.runs.length === 1 ? undefined : this.#att.take(prepared.numQueries * width);
    for (const { session, firstQuery, numQueries, queryDims, gatheredBytes, ...fed } of prepared.runs) {
      const rows = q.subarray(firstQuery * width, (firstQuery + numQueries) * width);
      const feeds = { q: tensor("float32", rows, queryDims), ...keys, ...values, ...fed };
      meter?.countGathered(gatheredBytes);
      const result = this.#latest.hold(session.run(feeds, FETCHES)).att!.data as Float32Array;
      if (att === undefined) return result;
      att.set(result, firstQuery * width);
    }
    return att ?? new Float32Array(0);
  }

  /** Frees the sessions. */
  release(): void {
    this.#wide.release();
    this.#narrow.release();
  }

  #prepareRun(run: AttentionRun): PreparedRun {
    const { shape, spec, kvDtype } = this.#options;
    const { numBatches, queriesPerBatch, numKeys, numTables, pagesPerTable } = run;
    const group = shape.numHeads / shape.numKvHeads;
    const mask = this.#masks.take(run.positions.length * numKeys);
    fillMask(mask, run, { window: spec.window, distances: spec.alibiSlopes !== null });
    const rowBytes = KV_FORMS[kvDtype].rowBytes(shape.headDim);
    const scoreDims = [shape.numKvHeads, numBatches, queriesPerBatch, group, numKeys];
    return {
      session: run.wide ? this.#wide : this.#narrow,
      firstQuery: run.firstQuery,
      numQueries: run.positions.length,
      queryDims: [numBatches, queriesPerBatch, shape.numKvHeads, group, shape.headDim],
      table: tensor("int32", run.table, [numTables, pagesPerTable]),
      mask: tensor("float32", mask, [numBatches, queriesPerBatch, 1, numKeys]),
      scoreDims: tensor("int64", BigInt64Array.from(scoreDims, BigInt), [5]),
      gatheredBytes: 2 * shape.numKvHeads * numTables * numKeys * rowBytes,
    };
  }
}
