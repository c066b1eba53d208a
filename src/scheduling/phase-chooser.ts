/**
 * Whether a step computes prompts, draws next tokens, or both. Kept apart, prompts never lengthen the pause between two
 * tokens of a step, but hold up all tokens for the steps that are theirs.
 */
import type { BatchingOptions } from "./batching-options.ts";

/** What a step computes. */
export type Phase = "mixed" | "prefill" | "decode";

/** Asked once a step. */
export interface PhaseChooser {
  /** @param numDecodes sequences with a next token to draw @param hasPrompts prompts could be computed */
  next(numDecodes: number, hasPrompts: boolean): Phase;
}

/** @param maxNumSeqs slots, the most sequences that can draw in one step */
export function createPhaseChooser(options: BatchingOptions, maxNumSeqs: number): PhaseChooser {
  switch (options.phases) {
    case "mixed":
      return { next: () => "mixed" };
    case "prefillFirst":
      return { next: (_numDecodes, hasPrompts) => (hasPrompts ? "prefill" : "decode") };
    case "leastWaste":
      return new LeastWaste(options, maxNumSeqs);
  }
}

/**
 * Weighs what running sequences would lose by a step of prompts against what empty slots have lost since the last one,
 * and takes the smaller loss. Source: MindIE's supportSelectBatch.
 */
class LeastWaste implements PhaseChooser {
  readonly #options: BatchingOptions;
  readonly #maxNumSeqs: number;
  #wastedMs = 0;

  constructor(options: BatchingOptions, maxNumSeqs: number) {
    this.#options = options;
    this.#maxNumSeqs = maxNumSeqs;
  }

  next(numDecodes: number, hasPrompts: boolean): Phase {
    const { prefillCostMs, decodeCostMs } = this.#options;
    if (hasPrompts) {
      this.#wastedMs += decodeCostMs * Math.max(0, this.#maxNumSeqs - numDecodes);
      if (prefillCostMs * numDecodes > this.#wastedMs) return "decode";
    }
    this.#wastedMs = 0;
    return hasPrompts ? "prefill" : "decode";
  }
}
