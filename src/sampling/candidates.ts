/**
 * The tokens that filters have left, with their weights (see softmax.ts).
 *
 * Always in ascending order of token id: the order in which inverse-cdf.ts walks them, whatever selected them.
 */
import { fastExp } from "./fast-exp.ts";
import { type MassCut, MassSelector } from "./mass-select.ts";
import { BLOCK_TOKENS, type Scale } from "./softmax.ts";

/** A prefix of the vocabulary sorted by (logit descending, id ascending): logits above, or equal with an id up to lastId. */
export interface LogitCut {
  readonly logit: number;
  readonly lastId: number;
}

/** Scratch for one row's candidates; reused from row to row. */
export class Candidates {
  /** Token ids, ascending. Entries from `count` on are garbage, here and below. [count] */
  readonly ids: Int32Array;
  /** [count] */
  readonly weights: Float64Array;
  /** Natural logarithms of the weights. [count] */
  readonly logWeights: Float64Array;
  /** What {@link keepShare} sorts by; filled by the filter. [count] */
  readonly keys: Float64Array;
  count = 0;
  /** The mass a share is taken of: the candidates', and that of tokens known not to matter and not gathered. */
  total = 0;
  readonly #selector: MassSelector;

  /** @param capacity vocabSize */
  constructor(capacity: number) {
    this.ids = new Int32Array(capacity);
    this.weights = new Float64Array(capacity);
    this.logWeights = new Float64Array(capacity);
    this.keys = new Float64Array(capacity);
    this.#selector = new MassSelector(capacity);
  }

  /**
   * Takes the tokens inside the cut; {@link total} is their mass.
   *
   * @param row logits [vocabSize]
   */
  gather(row: Float32Array, cut: LogitCut, scale: Scale): void {
    this.count = 0;
    this.total = 0;
    for (let start = 0; start < row.length; start += BLOCK_TOKENS) this.#gatherBlock(row, start, cut, scale);
  }

  #gatherBlock(row: Float32Array, start: number, cut: LogitCut, scale: Scale): void {
    const { ids, weights, logWeights } = this;
    const { largest, inverseTemperature } = scale;
    const { logit: lowest, lastId } = cut;
    const end = Math.min(start + BLOCK_TOKENS, row.length);
    let count = this.count;
    let total = this.total;
    for (let id = start; id < end; id++) {
      const logit = row[id]!;
      if (logit < lowest || (logit === lowest && id > lastId)) continue;
      const logWeight = (logit - largest) * inverseTemperature;
      const weight = fastExp(logWeight);
      if (weight === 0) continue;
      total += weight;
      ids[count] = id;
      weights[count] = weight;
      logWeights[count] = logWeight;
      count++;
    }
    this.count = count;
    this.total = total;
  }

  /**
   * Keeps the fewest candidates, by ascending {@link keys}, whose share of the total reaches `share`; of equal keys those
   * with the lowest ids. At least one stays.
   */
  keepShare(share: number): void {
    this.#keep(this.#selector.cut(this.keys, this.weights, this.count, share * this.total));
  }

  #keep(cut: MassCut): void {
    const { ids, weights, logWeights, keys } = this;
    let numTies = cut.numTies;
    let kept = 0;
    let total = 0;
    for (let i = 0; i < this.count; i++) {
      const key = keys[i]!;
      if (key > cut.key || (key === cut.key && numTies-- <= 0)) continue;
      ids[kept] = ids[i]!;
      logWeights[kept] = logWeights[i]!;
      total += weights[i]!;
      weights[kept++] = weights[i]!;
    }
    this.count = kept;
    this.total = total;
  }
}
