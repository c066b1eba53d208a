/**
 * Log-probabilities of the model's own distribution: the log-softmax of a row before temperature, penalties and filters,
 * as vLLM's v1 and the OpenAI API report them.
 */
import { invariant } from "../errors/troupe-error.ts";
import { argMax } from "./arg-max.ts";
import type { PositionLogprobs, TokenLogprob } from "./sampling-params.ts";
import { totalWeight } from "./softmax.ts";
import { TopK } from "./top-k.ts";

/** Scores rows; holds nothing but scratch. */
export class LogprobScorer {
  readonly #topK: TopK;

  /** @param maxTop the largest number of alternatives ever asked for */
  constructor(maxTop: number) {
    this.#topK = new TopK(maxTop);
  }

  /**
   * @param row logits of the model [vocabSize]
   * @param tokenId the token at this position, drawn or given
   * @param numTop how many of the most likely tokens to list; they may include the token itself
   * @returns null for a row that is no distribution: NaN or Infinity in it, or all -Infinity
   */
  score(row: Float32Array, tokenId: number, numTop: number): PositionLogprobs | null {
    invariant(
      tokenId >= 0 && tokenId < row.length,
      `token ${tokenId} is not in a row of ${row.length} logits`,
    );
    const best = argMax(row);
    if (best < 0) return null;
    const largest = row[best]!;
    const logTotal = Math.log(totalWeight(row, { largest, inverseTemperature: 1 }));
    const logprobOf = (id: number): number => row[id]! - largest - logTotal;
    const top: TokenLogprob[] = [];
    if (numTop > 0) {
      this.#topK.select(row, numTop);
      for (const id of this.#topK.takeSorted()) {
        top.push({ tokenId: id, logprob: logprobOf(id), rank: top.length + 1 });
      }
    }
    return { tokenId, logprob: logprobOf(tokenId), rank: rankOf(row, tokenId), top };
  }
}

/** 1 + the number of better tokens; of equals the lower id is better, so ranks are distinct and agree with `top`. */
function rankOf(row: Float32Array, tokenId: number): number {
  const own = row[tokenId]!;
  let rank = 1;
  for (let i = 0; i < tokenId; i++) if (row[i]! >= own) rank++;
  for (let i = tokenId + 1; i < row.length; i++) if (row[i]! > own) rank++;
  return rank;
}
