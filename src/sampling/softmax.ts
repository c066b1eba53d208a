/**
 * The softmax of a row, never written down: a weight is exp((logit - largest) / temperature), a probability times a
 * constant. Nothing is divided by the total, and no array of the vocabulary's length is filled.
 *
 * Rows are walked in blocks of a fixed length: sums have one order whoever asks, a draw can skip whole blocks, and the
 * inner loops are short calls that V8 compiles whole instead of replacing on the stack in every row.
 */
import { fastExp } from "./fast-exp.ts";

/** Tokens of a block. */
export const BLOCK_TOKENS = 512;

/** How logits become weights: exp((logit - largest) * inverseTemperature). */
export interface Scale {
  /** The row's largest logit, so that the heaviest weight is 1. */
  readonly largest: number;
  readonly inverseTemperature: number;
}

/** Sum of the weights of one block. */
export function blockWeight(row: Float32Array, start: number, scale: Scale): number {
  const { largest, inverseTemperature } = scale;
  const end = Math.min(start + BLOCK_TOKENS, row.length);
  let weight = 0;
  for (let id = start; id < end; id++) weight += fastExp((row[id]! - largest) * inverseTemperature);
  return weight;
}

/**
 * Sum of all weights: the softmax's denominator.
 *
 * @param row logits [vocabSize]
 */
export function totalWeight(row: Float32Array, scale: Scale): number {
  let total = 0;
  for (let start = 0; start < row.length; start += BLOCK_TOKENS) total += blockWeight(row, start, scale);
  return total;
}
