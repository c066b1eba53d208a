/**
 * A decoder as data: which tensors of the checkpoint make up which part, and how the parts are wired. An architecture
 * gives one of these; compile/ turns it into segments and knows no architecture by name. A new kind of part is a new
 * member of a union here and one block in blocks/.
 */
import type { AttentionSpec, PrefixAttention, RopeSpec } from "./compiled-model.ts";
import type { MlpDescription } from "./mlp-description.ts";

/** Some rows of one tensor: all of a plain projection, or a part of a packed one. */
export interface RowRange {
  readonly tensor: string;
  /** Rows the whole tensor has, to check its shape. */
  readonly tensorRows: number;
  readonly firstRow: number;
  readonly numRows: number;
}

/** y = x · weightᵀ + bias; weight is [outputs, inputs], put together from row ranges in order. */
export interface LinearDescription {
  /** Names the weights in the segment. */
  readonly name: string;
  readonly inputs: number;
  readonly weight: readonly RowRange[];
  readonly bias: readonly RowRange[] | null;
  /** Divide each row of the weight by its length. */
  readonly unitRows?: boolean;
}

/** x · weight / rms(x), or (x - mean(x)) · weight / deviation(x) + bias. */
export type NormDescription =
  | {
      readonly kind: "rms";
      readonly tensor: string;
      readonly size: number;
      readonly epsilon: number;
      /** The tensor holds weight - 1. */
      readonly unitOffset?: boolean;
    }
  | {
      readonly kind: "layer";
      readonly tensor: string;
      readonly bias: string;
      readonly size: number;
      readonly epsilon: number;
    };

/** How a layer's q and k are rotated. */
export interface RotaryDescription {
  /** Index into the decoder's ropes. */
  readonly rope: number;
  /** Which dimensions turn together: i with i + rotaryDim / 2, or 2i with 2i + 1. */
  readonly pairs: "halves" | "neighbours";
}

/** What a part's output is added to: its input before the norm, or `scale` times the normed one. */
export type ResidualDescription =
  | { readonly kind: "input" }
  | { readonly kind: "normed"; readonly scale: number };

/** One decoder layer: x += postNorm(attention(norm(x))); x += postNorm(mlp(norm(x))). */
export interface LayerDescription {
  readonly attention: AttentionSpec;
  /** Null where positions are told otherwise: ALiBi, learned positions. */
  readonly rotary: RotaryDescription | null;
  readonly residual: ResidualDescription;
  readonly inputNorm: NormDescription;
  /** Query rows, then key rows, then value rows. */
  readonly qkv: LinearDescription;
  /** Norms over each head of q and k, before rotation; null for none. */
  readonly queryNorm: NormDescription | null;
  readonly keyNorm: NormDescription | null;
  readonly output: LinearDescription;
  readonly attentionPostNorm: NormDescription | null;
  readonly mlpNorm: NormDescription;
  readonly mlp: MlpDescription;
  readonly mlpPostNorm: NormDescription | null;
}

/** norm(scale · table[id] + positions[position]). */
export interface EmbeddingDescription {
  /** [vocabSize, hiddenSize] */
  readonly tensor: string;
  readonly scale: number;
  /** Learned positions, [maxPositions, hiddenSize]; null for none. */
  readonly positions: string | null;
  readonly norm: NormDescription | null;
}

/** Sizes that every part shares. */
export interface DecoderDims {
  readonly hiddenSize: number;
  readonly numHeads: number;
  readonly numKvHeads: number;
  readonly headDim: number;
  readonly vocabSize: number;
}

/** A whole decoder. */
export interface DecoderDescription extends DecoderDims {
  readonly maxPositions: number;
  readonly embedding: EmbeddingDescription;
  readonly layers: readonly LayerDescription[];
  readonly finalNorm: NormDescription;
  readonly head: LinearDescription;
  /** logits = cap · tanh(logits / cap); null for none. */
  readonly logitSoftcap: number | null;
  readonly ropes: readonly RopeSpec[];
  readonly prefixAttention: PrefixAttention | null;
}

/** All rows of a tensor. */
export function wholeTensor(tensor: string, numRows: number): RowRange {
  return { tensor, tensorRows: numRows, firstRow: 0, numRows };
}

/** Outputs of a linear layer. */
export function numOutputs(linear: LinearDescription): number {
  return linear.weight.reduce((sum, range) => sum + range.numRows, 0);
}
