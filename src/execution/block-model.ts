/**
 * Blocks that end at attention, which runs in sessions of its own between them:
 *
 *     first ─► write K, V ─► attention ─► block ─► write K, V ─► attention ─► ... ─► last ─► logits
 */
import { type KvMemory, type KvPool, kvPools, writeKvRows } from "../kv/kv-memory.ts";
import type { AttentionSpec } from "../model/compiled-model.ts";
import type { AllGather } from "./all-gather.ts";
import { checkStop } from "./check-stop.ts";
import { type Chain, type ChainOptions, DenseChain, type LayerInputs } from "./dense-chain.ts";
import { FloatScratch } from "./float-scratch.ts";
import { type Tensor, tensor } from "./onnx-runtime.ts";
import { PagedAttention, type PreparedAttention } from "./paged-attention.ts";
import { RankChain } from "./rank-chain.ts";
import { RopeFeeds } from "./rope-feeds.ts";
import type { RunMeter } from "./run-meter.ts";
import { idsOf, type StepInput, type StepLogits, type StepModel } from "./step-model.ts";
import { logitRows, rowOfToken, type StepRows } from "./step-rows.ts";

/** What a model of blocks is made from. */
export interface BlockModelOptions extends ChainOptions {
  readonly kv: KvMemory;
  readonly maxModelLen: number;
  readonly meter: RunMeter;
  /** What one rank of several meets the others in; null for a whole model. */
  readonly allGather: AllGather | null;
}

/** A loaded model. */
export class BlockModel implements StepModel {
  readonly #options: BlockModelOptions;
  readonly #dense: Chain;
  /** One for each kind of attention the model has. */
  readonly #attentions: readonly PagedAttention[];
  /** Which of them each layer uses. [numLayers] */
  readonly #layerAttention: readonly PagedAttention[];
  readonly #ropes: RopeFeeds;
  readonly #pools: readonly KvPool[];
  readonly #scratch = new FloatScratch();

  /** @throws TroupeError `invalid_model` when a segment does not load; what was loaded before is freed. */
  constructor(options: BlockModelOptions) {
    const { model, kv, numThreads, meter, allGather } = options;
    this.#options = options;
    this.#pools = kvPools(kv);
    this.#ropes = new RopeFeeds(model, options.maxModelLen);
    const { kvDtype } = kv.layout;
    const shape = { ...kv.layout, numHeads: model.numHeads };
    const of = { shape, kvDtype, threads: numThreads, meter };
    const kinds = new Map<string, PagedAttention>();
    this.#layerAttention = model.attention.map((spec: AttentionSpec) => {
      const key = JSON.stringify(spec);
      const attention = kinds.get(key) ?? new PagedAttention({ ...of, spec });
      kinds.set(key, attention);
      return attention;
    });
    this.#attentions = [...kinds.values()];
    this.#dense = allGather === null ? new DenseChain(options) : new RankChain(options, allGather);
  }

  run({ batch, rows, slots, numLayers = this.#options.model.numLayers }: StepInput): StepLogits | null {
    const ropes = this.#ropes.rows(rows);
    const prepared = new Map<PagedAttention, PreparedAttention>();
    const ids = idsOf(batch, rows);
    const positions = tensor("int32", rows.positions, [rows.positions.length]);
    const first = { ids: tensor("int64", ids, [ids.length]), positions, ...ropes };
    let inputs = this.#dense.enterLayer(0, first);
    for (let layer = 0; ; layer++) {
      checkStop(this.#options.shouldStop, "The step was abandoned between two layers");
      this.#writeKv(layer, inputs, slots);
      if (layer === numLayers - 1) break;
      const attention = this.#layerAttention[layer]!;
      const plan = prepared.get(attention) ?? attention.prepare(rows.pieces);
      prepared.set(attention, plan);
      const att = this.#attend(layer, plan, inputs.q);
      inputs = this.#dense.enterLayer(layer + 1, { att, x: inputs.x, ...ropes });
    }
    if (batch.logitTokens.length === 0) return null;
    const wanted = logitRows(batch, this.#options.model.prefixAttention);
    return this.#finish(rows, wanted, inputs, numLayers - 1);
  }

  settle(): void {
    // Layers write theirs as they go.
  }

  release(): void {
    this.#dense.release();
    for (const attention of this.#attentions) attention.release();
  }

  /** The last attention and the last segment, for those rows alone whose logits are wanted. */
  #finish(rows: StepRows, wanted: StepRows, inputs: LayerInputs, layer: number): StepLogits {
    const { x, q } = this.#pickRows(rows, wanted, inputs);
    const plan = this.#layerAttention[layer]!.prepare(wanted.pieces);
    const logits = this.#dense.finish({ att: this.#attend(layer, plan, q), x });
    return { rows: logits.data as Float32Array, tokens: wanted.tokens };
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
    const rowOf = rowOfToken(rows.tokens);
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
}
