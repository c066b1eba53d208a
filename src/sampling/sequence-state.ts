/**
 * What the sampler remembers of one sequence between steps. All of it follows from a SamplerSequence and the tokens drawn
 * since, so a restart rebuilds it from prompt and output.
 */
import type { SamplerSequence } from "../scheduling/step-plan.ts";
import type { GrammarState } from "./grammar/grammar-engine.ts";
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
  /** Null when any text goes. */
  readonly grammar: GrammarState | null;
  #numDrawn: number;

  /** @param grammar at its start; brought here to where the tokens drawn so far have led */
  constructor(sequence: SamplerSequence, grammar: GrammarState | null = null) {
    this.params = sequence.params;
    this.seed = sequence.seed;
    this.endTokenIds = sequence.endTokenIds;
    this.counts = hasPenalties(sequence.params)
      ? new TokenCounts(sequence.promptIds, sequence.outputIds)
      : null;
    this.#numDrawn = sequence.outputIds.length;
    this.grammar = grammar;
    for (const id of sequence.outputIds) this.#follow(id);
  }

  /** Tokens drawn so far, those before a restart included: the counter of the next draw. */
  get numDrawn(): number {
    return this.#numDrawn;
  }

  /** Records the token of a draw. */
  record(tokenId: number): void {
    this.#numDrawn++;
    this.counts?.addOutput(tokenId);
    this.#follow(tokenId);
  }

  /** A token that ends the answer is no part of its text. */
  #follow(tokenId: number): void {
    if (this.grammar !== null && !this.endTokenIds.includes(tokenId)) this.grammar.advance(tokenId);
  }
}
