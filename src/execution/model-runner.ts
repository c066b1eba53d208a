/**
 * Runs the steps of one rank: token ids in, logits rows in shared memory out, keys and values in the pages on the way.
 *
 *     first ─► write K, V ─► attention ─► block ─► write K, V ─► attention ─► ... ─► last ─► logits
 *
 * It computes what it is told. Given the same tokens before it, a token's keys, values and logits have the same bits
 * whatever else is in the step, however the prompt was cut into chunks, and whichever of them came from a cache.
 */
import { invariant, TroupeError } from "../errors/troupe-error.ts";
import { type KvMemory, type KvPool, kvPools, writeKvRows } from "../kv/kv-memory.ts";
import type { LogitsMemory } from "../kv/logits-memory.ts";
import type { AttentionSpec } from "../model/compiled-model.ts";
import type { ExecutionBatch } from "../scheduling/step-plan.ts";
import type { ExecuteWork } from "../scheduling/step-times.ts";
import { AllGather, type AllGatherMemory } from "./all-gather.ts";
import { type Chain, type ChainOptions, DenseChain, type LayerInputs } from "./dense-chain.ts";
import { FloatScratch } from "./float-scratch.ts";
import { type Tensor, tensor } from "./onnx-runtime.ts";
import { applyPageCopies } from "./page-copies.ts";
import { PagedAttention, type PreparedAttention } from "./paged-attention.ts";
import { RankChain } from "./rank-chain.ts";
import { RopeFeeds } from "./rope-feeds.ts";
import { RunMeter } from "./run-meter.ts";
import { checkRunnerSizes } from "./runner-sizes.ts";
import { allRows, logitRows, type StepRows, slotsOf } from "./step-rows.ts";
import { warmUpSteps } from "./warm-up.ts";

/** What a runner is made from. */
export interface ModelRunnerOptions extends ChainOptions {
  /** The pages of this rank. */
  readonly kv: KvMemory;
  readonly logits: LogitsMemory;
  /** The largest step that will come; what warm-up runs. */
  readonly maxNumBatchedTokens: number;
  /** The longest sequence that will come, which scaled ropes fit their angles to. Default: the model's limit. */
  readonly maxModelLen?: number;
  /** What one rank of several sums with; null or absent for a whole model. */
  readonly allGather?: { readonly memory: AllGatherMemory; readonly timeoutMs: number } | null;
}

/** A loaded rank. */
export interface ModelRunner {
  /**
   * Computes a step on the calling thread. Row r of the logits memory then belongs to token `batch.logitTokens[r]`.
   *
   * One rank of several computes it together with the others, which must be given the same batch, and returns when all
   * have written their part of the logits. Whatever it throws, the others throw too.
   *
   * @returns what it came to, for the step's figures
   * @throws TroupeError `not_ready` when `shouldStop` said so (pages of the step's own tokens are then undefined),
   * `engine_failed` when a session or another rank fails, `deadline_exceeded` when another rank hangs.
   */
  execute(batch: ExecutionBatch): ExecuteWork;
  /** Runs small and large steps on zeros, so that the first request finds memory in place. Writes no page. */
  warmUp(): void;
  /** Time that went into waiting for other ranks, since the runner was made. */
  readonly waitMs: number;
  /** Frees all sessions, and lets no other rank wait for this one. The runner cannot be used afterwards. */
  release(): void;
}

/**
 * Loads the sessions of a compiled model.
 *
 * @throws TroupeError `invalid_model` when a segment does not load or memory and model do not fit each other, `not_ready`
 *   when `shouldStop` said so.
 * @example
 * ```ts
 * const runner = createModelRunner({ compiledDir, model, kv, logits, numThreads: 2, maxNumBatchedTokens: 512 });
 * runner.execute(batch);
 * const row = logitsRow(logits, 0);
 * ```
 */
export function createModelRunner(options: ModelRunnerOptions): ModelRunner {
  checkRunnerSizes(options);
  return new Runner(options);
}

class Runner implements ModelRunner {
  readonly #options: ModelRunnerOptions;
  readonly #dense: Chain;
  readonly #allGather: AllGather | null;
  /** One for each kind of attention the model has. */
  readonly #attentions: readonly PagedAttention[];
  /** Which of them each layer uses. [numLayers] */
  readonly #layerAttention: readonly PagedAttention[];
  readonly #ropes: RopeFeeds;
  readonly #pools: readonly KvPool[];
  readonly #logits: Float32Array;
  readonly #scratch = new FloatScratch();
  readonly #meter = new RunMeter();

  constructor(options: ModelRunnerOptions) {
    const { model, kv, logits, numThreads } = options;
    this.#options = options;
    this.#pools = kvPools(kv);
    this.#logits = new Float32Array(logits.buffer);
    this.#ropes = new RopeFeeds(model, options.maxModelLen ?? model.maxPositions);
    const { kvDtype } = kv.layout;
    const shape = { ...kv.layout, numHeads: model.numHeads };
    const meter = this.#meter;
    const of = { shape, kvDtype, threads: numThreads, meter };
    const kinds = new Map<string, PagedAttention>();
    this.#layerAttention = model.attention.map((spec: AttentionSpec) => {
      const key = JSON.stringify(spec);
      const attention = kinds.get(key) ?? new PagedAttention({ ...of, spec });
      kinds.set(key, attention);
      return attention;
    });
    this.#attentions = [...kinds.values()];
    this.#allGather = allGatherOf(options);
    this.#dense =
      this.#allGather === null
        ? new DenseChain({ ...options, meter })
        : new RankChain({ ...options, meter }, this.#allGather);
  }

  get waitMs(): number {
    return this.#allGather?.waitMs ?? 0;
  }

  execute(batch: ExecutionBatch): ExecuteWork {
    const startWaitMs = this.waitMs;
    this.#allGather?.join();
    try {
      this.#execute(batch);
      return { ...this.#meter.take(), waitMs: this.waitMs - startWaitMs };
    } catch (error) {
      const isStop = error instanceof TroupeError && error.code === "not_ready";
      this.#allGather?.poison(isStop ? "stopped" : "failed");
      throw error;
    }
  }

  #execute(batch: ExecutionBatch): void {
    const { kv, logits } = this.#options;
    invariant(
      batch.logitTokens.length <= logits.maxRows,
      `step ${batch.step} wants ${batch.logitTokens.length} rows of logits, the buffer holds ${logits.maxRows}`,
    );
    applyPageCopies(batch, this.#pools, kv.layout);
    if (batch.tokenIds.length === 0) return;
    const rows = allRows(batch, this.#options.model.prefixAttention);
    this.#run(batch, rows, slotsOf(rows, kv.layout.pageSize));
    this.#allGather?.meet();
  }

  warmUp(): void {
    const { prefixAttention } = this.#options.model;
    for (const { batch, numLayers } of warmUpSteps(this.#options)) {
      this.#run(batch, allRows(batch, prefixAttention), new Int32Array(0), numLayers);
    }
    this.#meter.take();
  }

  release(): void {
    this.#allGather?.poison("stopped");
    this.#dense.release();
    for (const attention of this.#attentions) attention.release();
  }

  /** @param numLayers how many to pass before the last segment; warm-up leaves some out */
  #run(
    batch: ExecutionBatch,
    rows: StepRows,
    slots: Int32Array,
    numLayers = this.#options.model.numLayers,
  ): void {
    const ropes = this.#ropes.rows(rows);
    const prepared = new Map<PagedAttention, PreparedAttention>();
    const positions = tensor("int32", rows.positions, [rows.positions.length]);
    let inputs = this.#dense.enterLayer(0, { ids: idsOf(batch, rows), positions, ...ropes });
    for (let layer = 0; ; layer++) {
      this.#checkStop();
      this.#writeKv(layer, inputs, slots);
      if (layer === numLayers - 1) break;
      const attention = this.#layerAttention[layer]!;
      const plan = prepared.get(attention) ?? attention.prepare(rows.pieces);
      prepared.set(attention, plan);
      const att = this.#attend(layer, plan, inputs.q);
      inputs = this.#dense.enterLayer(layer + 1, { att, x: inputs.x, ...ropes });
    }
    if (batch.logitTokens.length > 0) this.#finish(batch, rows, inputs, numLayers - 1);
  }

  /** The last attention and the last segment, for those rows alone whose logits are wanted. */
  #finish(batch: ExecutionBatch, rows: StepRows, inputs: LayerInputs, layer: number): void {
    const { vocabSize, part } = this.#options.model;
    const { firstLogit, numLogits } = part ?? { firstLogit: 0, numLogits: vocabSize };
    const wanted = logitRows(batch, this.#options.model.prefixAttention);
    const { x, q } = this.#pickRows(rows, wanted, inputs);
    const plan = this.#layerAttention[layer]!.prepare(wanted.pieces);
    const logits = this.#dense.finish({ att: this.#attend(layer, plan, q), x }).data as Float32Array;
    const rowOfToken = new Map(Array.from(batch.logitTokens, (token, row) => [token, row] as const));
    for (const [from, token] of wanted.tokens.entries()) {
      const row = logits.subarray(from * numLogits, (from + 1) * numLogits);
      this.#logits.set(row, rowOfToken.get(token)! * vocabSize + firstLogit);
    }
  }

  #attend(layer: number, plan: PreparedAttention, q: Tensor): Tensor {
    const att = this.#layerAttention[layer]!.run(plan, q.data as Float32Array, this.#pools[layer]!);
    return tensor("float32", att, q.dims);
  }

  #writeKv(layer: number, { k, v }: LayerInputs, slots: Int32Array): void {
    const { layout } = this.#options.kv;
    const pool = this.#pools[layer]!;
    writeKvRows(pool.keys, layout, k.data as Float32Array, slots);
    writeKvRows(pool.values, layout, v.data as Float32Array, slots);
  }

  /** x and q of the wanted rows, in their order. */
  #pickRows(
    rows: StepRows,
    wanted: StepRows,
    { x, q }: LayerInputs,
  ): { readonly x: Tensor; readonly q: Tensor } {
    if (wanted.tokens.length === rows.tokens.length) return { x, q };
    const rowOf = new Map(Array.from(rows.tokens, (token, row) => [token, row] as const));
    const picked = Array.from(wanted.tokens, (token) => rowOf.get(token)!);
    this.#scratch.reset();
    return { x: this.#gatherRows(x, picked), q: this.#gatherRows(q, picked) };
  }

  #gatherRows(source: Tensor, picked: readonly number[]): Tensor {
    const width = source.dims[1]!;
    const data = source.data as Float32Array;
    const target = this.#scratch.take(picked.length * width);
    for (const [row, from] of picked.entries()) {
      target.set(data.subarray(from * width, (from + 1) * width), row * width);
    }
    return tensor("float32", target, [picked.length, width]);
  }

  #checkStop(): void {
    if (this.#options.shouldStop?.() !== true) return;
    throw new TroupeError("not_ready", "The step was abandoned between two layers: the engine is stopping.");
  }
}

function idsOf(batch: ExecutionBatch, rows: StepRows): Tensor {
  const ids = BigInt64Array.from(rows.tokens, (token) => BigInt(batch.tokenIds[token]!));
  return tensor("int64", ids, [ids.length]);
}

function allGatherOf({ model, allGather, shouldStop }: ModelRunnerOptions): AllGather | null {
  if (model.part === null || !allGather) return null;
  return new AllGather({ ...allGather, rank: model.part.rank, ...(shouldStop && { shouldStop }) });
}
