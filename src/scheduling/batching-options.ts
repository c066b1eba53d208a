/** How waiting prompts are gathered into steps. With {@link DEFAULT_BATCHING} every prompt enters as soon as there is room. */
import type { StepPhases } from "../config/config.ts";

/** Limits on what one step computes of prompts, and when they enter. Null sets no limit. */
export interface BatchingOptions {
  /** See phase-chooser.ts. */
  readonly phases: StepPhases;
  /** Prompts in one step. */
  readonly maxPrefillSeqs: number | null;
  /** Tokens of prompts in one step. */
  readonly maxPrefillTokens: number | null;
  /** How long the oldest waiting request may wait for others to enter with it. */
  readonly prefillDelayMs: number;
  /** With leastWaste: what a step of prompts costs each sequence that draws meanwhile. */
  readonly prefillCostMs: number;
  /** With leastWaste: what a step costs each slot that stands empty. */
  readonly decodeCostMs: number;
  /** Running sequences that may give way in one step. The oldest moves on all the same. */
  readonly maxPreemptions: number | null;
}

/** Continuous batching without any of these limits. */
export const DEFAULT_BATCHING: BatchingOptions = Object.freeze({
  phases: "mixed",
  maxPrefillSeqs: null,
  maxPrefillTokens: null,
  prefillDelayMs: 0,
  prefillCostMs: 150,
  decodeCostMs: 50,
  maxPreemptions: null,
});
