/** When sampling is greedy. */

/** A temperature below this counts as 0, as in vLLM: dividing by it would leave nothing but the largest logit anyway. */
const GREEDY_BELOW = 1e-5;

/** Whether the most likely token is always taken. */
export function isGreedy(temperature: number): boolean {
  return temperature < GREEDY_BELOW;
}
