/**
 * The least that computing a step with our graphs can take: the same sessions run in the same order over the same pages,
 * and nothing else. No keys are written, nothing is planned, nobody waits for messages.
 */
import { DenseChain } from "../src/execution/dense-chain.ts";
import { tensor } from "../src/execution/onnx-runtime.ts";
import { PagedAttention } from "../src/execution/paged-attention.ts";
import { RopeFeeds } from "../src/execution/rope-feeds.ts";
import { allRows } from "../src/execution/step-rows.ts";
import type { KvDtype } from "../src/kv/forms/kv-form.ts";
import { createKvMemory, kvPools } from "../src/kv/kv-memory.ts";
import type { CompileResult } from "../src/model/compile/compile-model.ts";
import { median } from "./report.ts";
import { batchOf, PAGE_SIZE } from "./step-batch.ts";

/** What to run, and with how much. */
export interface BareLoopOptions {
  readonly compiled: CompileResult;
  readonly kvDtype: KvDtype;
  readonly numThreads: number;
  /** The most streams times context that will be measured. */
  readonly maxContextTokens: number;
}

/** Loaded sessions of a model with one kind of attention. */
export class BareLoop {
  readonly #options: BareLoopOptions;
  readonly #dense: DenseChain;
  readonly #attention: PagedAttention;
  readonly #pools: ReturnType<typeof kvPools>;
  readonly #numPages: number;

  constructor(options: BareLoopOptions) {
    const { compiled, kvDtype, numThreads, maxContextTokens } = options;
    const { model, dir } = compiled;
    this.#options = options;
    this.#numPages = Math.ceil(maxContextTokens / PAGE_SIZE);
    const kv = createKvMemory({ ...model, kvDtype, pageSize: PAGE_SIZE, numPages: this.#numPages });
    this.#pools = kvPools(kv);
    this.#dense = new DenseChain({ compiledDir: dir, model, numThreads });
    const shape = { ...kv.layout, numHeads: model.numHeads };
    this.#attention = new PagedAttention({ shape, spec: model.attention[0]!, kvDtype, threads: numThreads });
  }

  /** Milliseconds of a decode step: the median of so many. */
  decodeMs(numStreams: number, contextLen: number, numSteps: number): number {
    const { model } = this.#options.compiled;
    const batch = batchOf(
      Array.from({ length: numStreams }, () => [contextLen, 1] as const),
      this.#numPages,
    );
    const rows = allRows(batch, null);
    const ids = tensor("int64", BigInt64Array.from(batch.tokenIds, BigInt), [numStreams]);
    const positions = tensor("int32", rows.positions, [numStreams]);
    const ropes = new RopeFeeds(model, model.maxPositions).rows(rows);
    const prepared = this.#attention.prepare(rows.pieces);
    const step = (): void => {
      let inputs = this.#dense.enterLayer(0, { ids, positions, ...ropes });
      for (let layer = 0; layer < model.numLayers; layer++) {
        const data = this.#attention.run(prepared, inputs.q.data as Float32Array, this.#pools[layer]!);
        const feeds = { att: tensor("float32", data, inputs.q.dims), x: inputs.x };
        if (layer === model.numLayers - 1) this.#dense.finish(feeds);
        else inputs = this.#dense.enterLayer(layer + 1, { ...feeds, ...ropes });
      }
    };
    step();
    return median(
      Array.from({ length: numSteps }, () => {
        const startMs = performance.now();
        step();
        return performance.now() - startMs;
      }),
    );
  }

  release(): void {
    this.#dense.release();
    this.#attention.release();
  }
}
