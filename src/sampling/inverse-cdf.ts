/**
 * From one uniform number to one token: walk the tokens in ascending order of id until their cumulative weight passes
 * u * total. Sums are float64 and always in the same order, so the same row and the same u give the same token.
 *
 * The alternative, Gumbel-max, needs a random number and two logarithms for each token of the vocabulary instead of one exp.
 */
import type { Candidates } from "./candidates.ts";
import { fastExp } from "./fast-exp.ts";
import { BLOCK_TOKENS, blockWeight, type Scale } from "./softmax.ts";

/**
 * Draws among candidates.
 *
 * @param uniform [0, 1)
 */
export function drawCandidate(candidates: Candidates, uniform: number): number {
  const { ids, weights, count } = candidates;
  let total = 0;
  for (let i = 0; i < count; i++) total += weights[i]!;
  const target = uniform * total;
  let cumulative = 0;
  for (let i = 0; i < count; i++) {
    cumulative += weights[i]!;
    if (cumulative > target) return ids[i]!;
  }
  return ids[count - 1]!; // the product above may round up to the total itself
}

/** Draws from a whole row; weights are summed by block, and only the block that holds the token is walked. */
export class RowDraw {
  readonly #blockWeights: Float64Array;

  constructor(vocabSize: number) {
    this.#blockWeights = new Float64Array(Math.ceil(vocabSize / BLOCK_TOKENS));
  }

  /**
   * @param row logits [vocabSize]
   * @param uniform [0, 1)
   */
  draw(row: Float32Array, scale: Scale, uniform: number): number {
    const blocks = this.#blockWeights;
    let total = 0;
    for (let block = 0; block < blocks.length; block++) {
      const weight = blockWeight(row, block * BLOCK_TOKENS, scale);
      blocks[block] = weight;
      total += weight;
    }
    const target = uniform * total;
    let before = 0;
    let last = 0;
    for (let block = 0; block < blocks.length; block++) {
      if (blocks[block] === 0) continue;
      last = block;
      if (before + blocks[block]! > target) break;
      before += blocks[block]!;
    }
    return drawInBlock(row, last * BLOCK_TOKENS, scale, target - before);
  }
}

/** The token of the block where its cumulative weight passes `target`; through rounding, its last possible one. */
function drawInBlock(row: Float32Array, start: number, scale: Scale, target: number): number {
  const { largest, inverseTemperature } = scale;
  const end = Math.min(start + BLOCK_TOKENS, row.length);
  let cumulative = 0;
  let last = start;
  for (let id = start; id < end; id++) {
    const weight = fastExp((row[id]! - largest) * inverseTemperature);
    if (weight === 0) continue;
    cumulative += weight;
    last = id;
    if (cumulative > target) break;
  }
  return last;
}
