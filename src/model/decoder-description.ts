/**
 * A decoder as data: which tensors of the checkpoint make up which part, and how the parts are wired. An architecture
 * gives one of these; compile/ turns it into segments and knows no architecture by name. A new kind of part is a new
 * member of a union here and one block in blocks/.
 */
import type { AttentionSpec, RopeSpec } from "./compiled-model.ts";

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
}

/** x · weight / rms(x). */
export interface NormDescription {
  readonly kind: "rms";
  readonly tensor: string;
  readonly size: number;
  readonly epsilon: number;
}

/** down(silu(gate(x)) · up(x)), gate and up in one product. */
export interface MlpDescription {
  readonly kind: "gated-silu";
  /** Gate's rows, then up's. */
  readonly gateUp: LinearDescription;
  readonly down: LinearDescription;
}

/** One decoder layer: x += attention(norm(x)); x += mlp(norm(x)). */
export interface LayerDescription {
  readonly attention: AttentionSpec;
  /** Index into the decoder's ropes. */
  readonly rope: number;
  readonly inputNorm: NormDescription;
  /** Query rows, then key rows, then value rows. */
  readonly qkv: LinearDescription;
  /** Norms over each head of q and k, before rotation; null for none. */
  readonly queryNorm: NormDescription | null;
  readonly keyNorm: NormDescription | null;
  readonly output: LinearDescription;
  readonly mlpNorm: NormDescription;
  readonly mlp: MlpDescription;
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
  /** [vocabSize, hiddenSize] */
  readonly embedding: string;
  readonly layers: readonly LayerDescription[];
  readonly finalNorm: NormDescription;
  readonly head: LinearDescription;
  readonly ropes: readonly RopeSpec[];
}

/** All rows of a tensor. */
export function wholeTensor(tensor: string, numRows: number): RowRange {
  return { tensor, tensorRows: numRows, firstRow: 0, numRows };
}

/** Outputs of a linear layer. */
export function numOutputs(linear: LinearDescription): number {
  return linear.weight.reduce((sum, range) => sum + range.numRows, 0);
}
