/** Everything that stacks are fed in a step but the rows that one hands to the next. */
import { KV_FORMS } from "../kv/forms/kv-forms.ts";
import { type KvMemory, kvPools } from "../kv/kv-memory.ts";
import { attentionKinds } from "../model/attention-kinds.ts";
import type { CompiledModel } from "../model/compiled-model.ts";
import type { ExecutionBatch } from "../scheduling/step-plan.ts";
import type { AttentionShape } from "./attention-graph.ts";
import { type Tensor, tensor } from "./onnx-runtime.ts";
import { pageFeeds } from "./page-inputs.ts";
import { RopeFeeds } from "./rope-feeds.ts";
import { StackAttention } from "./stack-attention.ts";
import { idsOf } from "./step-model.ts";
import { rowOfToken, type StepRows } from "./step-rows.ts";

/** What feeds are made for. */
export interface StackFeedsOptions {
  readonly model: CompiledModel;
  readonly kv: KvMemory;
  /** Of the sessions; no more than there are query heads. */
  readonly numThreads: number;
  /** See RopeFeeds. */
  readonly maxModelLen: number;
}

/** A step's feeds by name, and the bytes of keys and values that its layers gather. */
export interface FedStep {
  readonly feeds: Readonly<Record<string, Tensor>>;
  readonly gatheredBytes: number;
}

/** Makes the feeds of steps. */
export class StackFeeds {
  readonly #pages: Readonly<Record<string, Tensor>>;
  readonly #ropes: RopeFeeds;
  readonly #attentions: readonly StackAttention[];
  readonly #numLayersOfKind: readonly number[];
  /** Of a key and its value, in one layer. */
  readonly #keyBytes: number;

  constructor({ model, kv, numThreads: threads, maxModelLen }: StackFeedsOptions) {
    const { kvDtype, numKvHeads, headDim } = kv.layout;
    const shape: AttentionShape = { ...kv.layout, numHeads: model.numHeads };
    const { kinds, ofLayer } = attentionKinds(model.attention);
    this.#attentions = kinds.map((kind) => new StackAttention({ shape, kind, threads }));
    this.#numLayersOfKind = kinds.map((_, kind) => ofLayer.filter((of) => of === kind).length);
    this.#keyBytes = 2 * numKvHeads * KV_FORMS[kvDtype].rowBytes(headDim);
    this.#ropes = new RopeFeeds(model, maxModelLen);
    const pages = kvPools(kv).flatMap((pool, layer) => [
      pageFeeds(shape, kvDtype, "keys", pool.keys, `.${layer}`),
      pageFeeds(shape, kvDtype, "values", pool.values, `.${layer}`),
    ]);
    this.#pages = Object.assign({}, ...pages);
  }

  /** @returns feeds that are valid until the next call */
  of(batch: ExecutionBatch, rows: StepRows): FedStep {
    const ids = idsOf(batch, rows);
    const feeds: Record<string, Tensor> = {
      ...this.#pages,
      ids: tensor("int64", ids, [ids.length]),
      positions: tensor("int32", rows.positions, [ids.length]),
      wanted: wantedRows(batch, rows),
      ...this.#ropes.rows(rows),
    };
    let gatheredBytes = 0;
    for (const [kind, attention] of this.#attentions.entries()) {
      const { feeds: own, numKeys } = attention.prepare(rows.pieces);
      for (const [name, feed] of Object.entries(own)) feeds[`${name}.${kind}`] = feed;
      gatheredBytes += numKeys * this.#keyBytes * this.#numLayersOfKind[kind]!;
    }
    return { feeds, gatheredBytes };
  }
}

/**
 * Rows of the tokens whose logits are wanted, in the order in which they are. Where none are, one all the same: the graph must
 * make something.
 */
function wantedRows({ logitTokens }: ExecutionBatch, rows: StepRows): Tensor {
  const rowOf = rowOfToken(rows.tokens);
  const wanted = logitTokens.length === 0 ? [0] : Array.from(logitTokens, (token) => rowOf.get(token)!);
  return tensor("int64", BigInt64Array.from(wanted, BigInt), [wanted.length]);
}
