/**
 * What the sampler remembers of one sequence between steps. All of it follows from a SamplerSequence and the tokens drawn
 * since, so a restart rebuilds it from prompt and output.
 */
import type { SamplerSequence } from "../scheduling/step-plan.ts";
import { hasPenalties } from "./penalties.ts";
import type { SamplingParams } from "./sampling-params.ts";
import { TokenCounts } from "./token-counts.ts";

/** One sequence: its parameters, and how far it has come. */
export class SequenceState {
  readonly params: SamplingParams;
  readonly seed: number;
  readonly endTokenIds: Int32Array;
  /** Null when no penalty acts: then nothing needs counting. */
  readonly counts: TokenCounts | null;
  #numDrawn: number;

  constructor(sequence: SamplerSequence) {
    this.params = sequence.params;
    this.seed = sequence.seed;
    this.endTokenIds = sequence.endTokenIds;
    this.counts = hasPenalties(sequence.params)
      ? new TokenCounts(sequence.promptIds, sequence.outputIds)
      : null;
    this.#numDrawn = sequence.outputIds.length;
  }

  /** Tokens drawn so far, those before a restart included: the counter of the next draw. */
  get numDrawn(): number {
    return this.#numDrawn;
  }

  /** Records the token of a draw. */
  record(tokenId: number): void {
    this.#numDrawn++;
    this.counts?.addOutput(tokenId);
  }
}
