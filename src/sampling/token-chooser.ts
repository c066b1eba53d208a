/**
 * Chooses the token of one draw, in the order of vLLM's v1 sampler; steps 1 to 3 are in edit-logits.ts:
 *
 *     4. temperature 0: the most likely token, and none of what follows
 *     5. temperature   6. min-p   7. top-k   8. top-p   9. typical-p   10. draw
 *
 * Each filter sees what the one before has left, with its probabilities made to sum to 1 again.
 */
import { argMax } from "./arg-max.ts";
import { Candidates, type LogitCut } from "./candidates.ts";
import { uniformAt } from "./counter-random.ts";
import { editLogits } from "./edit-logits.ts";
import { isGreedy } from "./greedy.ts";
import { drawCandidate, RowDraw } from "./inverse-cdf.ts";
import { minPFloor } from "./min-p.ts";
import { gatherNucleus, keepNucleus } from "./nucleus.ts";
import { checkedLargest, type RowCandidates } from "./post-sampling.ts";
import type { SamplingParams } from "./sampling-params.ts";
import type { SequenceState } from "./sequence-state.ts";
import type { Scale } from "./softmax.ts";
import { TopK } from "./top-k.ts";
import { keepTypical } from "./typical.ts";

/** Chooses tokens; holds nothing but scratch, so the order of calls never matters. */
export class TokenChooser {
  readonly #vocabSize: number;
  readonly #edited: Float32Array;
  readonly #topK: TopK;
  readonly #candidates: Candidates;
  readonly #rowDraw: RowDraw;

  constructor(vocabSize: number) {
    this.#vocabSize = vocabSize;
    this.#edited = new Float32Array(vocabSize);
    this.#topK = new TopK(vocabSize);
    this.#candidates = new Candidates(vocabSize);
    this.#rowDraw = new RowDraw(vocabSize);
  }

  /**
   * @param row logits of the model [vocabSize]; not written
   * @param state only read: recording the token is the caller's
   * @param known the best tokens of the row, where somebody has found them already; see post-sampling.ts
   * @returns the token, or null when nothing can be drawn (NaN or Infinity in the row, or every token forbidden)
   */
  choose(row: Float32Array, state: SequenceState, known: RowCandidates | null = null): number | null {
    const { params } = state;
    const logits = editLogits(row, state, this.#edited);
    const best = known === null ? argMax(logits) : checkedLargest(logits, known[0]!);
    if (best < 0) return null;
    if (isGreedy(params.temperature)) return best;
    const scale = { largest: logits[best]!, inverseTemperature: 1 / params.temperature };
    const uniform = uniformAt(state.seed, state.numDrawn);
    if (!hasFilters(params)) return this.#rowDraw.draw(logits, scale, uniform);
    this.#filter(logits, params, scale, known);
    return drawCandidate(this.#candidates, uniform);
  }

  #filter(logits: Float32Array, params: SamplingParams, scale: Scale, known: RowCandidates | null): void {
    const candidates = this.#candidates;
    const { topK, minP, topP, typicalP } = params;
    if (topP < 1 && topK === 0 && minP === 0) {
      gatherNucleus(candidates, logits, scale, topP);
    } else {
      candidates.gather(logits, this.#cut(logits, params, scale, known), scale);
      if (topP < 1) keepNucleus(candidates, topP);
    }
    if (typicalP < 1) keepTypical(candidates, typicalP);
  }

  /** Min-p and top-k both keep a prefix of the tokens sorted by logit, so together they keep the shorter one. */
  #cut(logits: Float32Array, params: SamplingParams, scale: Scale, known: RowCandidates | null): LogitCut {
    const all = { logit: minPFloor(params.minP, scale), lastId: this.#vocabSize };
    if (params.topK === 0 || params.topK >= this.#vocabSize) return all;
    const worst = this.#worstOf(logits, params.topK, known);
    return worst.logit < all.logit ? all : worst;
  }

  /** The last of the k best. */
  #worstOf(logits: Float32Array, k: number, known: RowCandidates | null): LogitCut {
    if (known !== null) return { logit: logits[known[k - 1]!]!, lastId: known[k - 1]! };
    this.#topK.select(logits, k);
    return { logit: this.#topK.worstLogit, lastId: this.#topK.worstId };
  }
}

function hasFilters({ topK, topP, minP, typicalP }: SamplingParams): boolean {
  return topK > 0 || topP < 1 || minP > 0 || typicalP < 1;
}
