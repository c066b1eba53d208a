/**
 * A model that others exported to ONNX, as a rank runs it: which files, and what their inputs and outputs are. Plain data.
 *
 *     prefill : ids [batch, tokens], past [batch, kvHeads, length, headDim] of each layer -> logits, present of each layer
 *     decode  : the same for one token of each sequence; often the same file
 *
 * ONNX has no hidden state: keys and values go in and come out as tensors, beside whatever else a graph wants.
 */
import type { GraphValue } from "../onnx/graph-header.ts";

/** Element types that keys, values and logits of graphs may have. */
export const GRAPH_FLOATS = ["float32", "float16"] as const;
/** One of {@link GRAPH_FLOATS}. */
export type GraphFloat = (typeof GRAPH_FLOATS)[number];

/** Names of each layer's keys and values. [numLayers] each */
export interface KvNames {
  readonly keys: readonly string[];
  readonly values: readonly string[];
}

/**
 * Where the earlier tokens lie in a past that is longer than them: at its start, with the new ones directly behind them;
 * at its end, so that a concatenation follows them; or nowhere, for a graph that is not told how many count, whose past
 * must be as long as they are.
 */
export type PastSide = "start" | "end" | "exact";

/** One file. */
export interface GraphSpec {
  /** Absolute path. */
  readonly file: string;
  /** Inputs that are neither keys nor values. */
  readonly inputs: readonly GraphValue[];
  /** Null for a graph that begins every sequence anew. */
  readonly past: KvNames | null;
  /** Null for a graph without keys and values. */
  readonly present: KvNames | null;
  readonly kvType: GraphFloat;
  readonly pastSide: PastSide;
  /** The operator GroupQueryAttention puts new keys directly behind those that count, wherever the past ends. */
  readonly hasGroupQueryAttention: boolean;
  readonly logits: string;
  readonly logitsType: GraphFloat;
  /** Gives logits of each row's last token alone. */
  readonly lastLogitsOnly: boolean;
  /** Sizes that the file fixes; null where it takes any. */
  readonly fixed: {
    readonly batch: number | null;
    readonly tokens: number | null;
    readonly past: number | null;
  };
}

/** Sizes that runs are padded to, ascending; empty for any. */
export interface GraphBuckets {
  readonly seqLengths: readonly number[];
  readonly prefillBatchSizes: readonly number[];
  readonly decodeBatchSizes: readonly number[];
  readonly actLengths: readonly number[];
}

/** How inputs other than keys and values are made. */
export interface GraphInputs {
  /** A module with builders by name; null for the built-in ones alone. */
  readonly module: string | null;
  readonly basic: string;
  readonly extra: string | null;
  readonly warmup: string | null;
  /** What a graph calls an input that the builders know by another name. */
  readonly aliases: Readonly<Record<string, string>>;
  readonly padTokenId: number;
}

/** See the module header. */
export interface GraphModel {
  readonly architecture: string;
  /** 1 for a model without keys and values, whose pages hold its tokens. So are the two below. */
  readonly numLayers: number;
  readonly numKvHeads: number;
  readonly headDim: number;
  readonly vocabSize: number;
  readonly maxPositions: number;
  readonly prefill: GraphSpec;
  readonly decode: GraphSpec;
  readonly buckets: GraphBuckets;
  readonly inputs: GraphInputs;
  /** Prompts longer than this cannot be computed; null when they are computed in pieces. */
  readonly maxPromptLen: number | null;
}

/** Whether a prompt must be computed in one piece: its graph knows no tokens before it. */
export function needsWholePrompts({ prefill }: GraphModel): boolean {
  return prefill.past === null && prefill.present !== null;
}

/** Whether the model has no keys and values: each token is computed from all before it, which the pages hold as numbers. */
export function isRecomputed({ prefill }: GraphModel): boolean {
  return prefill.present === null;
}
