/** Min-p: Nguyen et al., "Turning up the heat: min-p sampling for creative and coherent LLM outputs" (2024). */
import type { Scale } from "./softmax.ts";

/**
 * The lowest logit that stays when only tokens at least `minP` times as likely as the most likely one may.
 * Ratios of probabilities are differences of logits, so no probability is computed.
 *
 * @param minP [0, 1]; 0 keeps all
 */
export function minPFloor(minP: number, scale: Scale): number {
  return minP === 0 ? Number.NEGATIVE_INFINITY : scale.largest + Math.log(minP) / scale.inverseTemperature;
}
