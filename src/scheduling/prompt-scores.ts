/** Log-probabilities of a prompt's tokens, collected chunk by chunk; they outlive a preemption. */
import type { PositionLogprobs } from "../sampling/sampling-params.ts";

/** Entry p is the log-probability of prompt token p given those before it; entry 0 has nothing before it. */
export class PromptScores {
  readonly #numPromptTokens: number;
  readonly #entries: (PositionLogprobs | null)[] = [null];

  constructor(numPromptTokens: number) {
    this.#numPromptTokens = numPromptTokens;
  }

  /** The first position whose logits row is still needed; it predicts the token after it. */
  get nextPosition(): number {
    return this.#entries.length - 1;
  }

  get isComplete(): boolean {
    return this.#entries.length === this.#numPromptTokens;
  }

  /** One entry a prompt token. [numPromptTokens] when complete */
  get entries(): readonly (PositionLogprobs | null)[] {
    return this.#entries;
  }

  /** Positions whose rows a chunk must give: [from, to), empty when from >= to. The last one predicts no prompt token. */
  wantedRows(start: number, end: number): { readonly from: number; readonly to: number } {
    return { from: Math.max(start, this.nextPosition), to: Math.min(end, this.#numPromptTokens - 1) };
  }

  add(scores: readonly PositionLogprobs[]): void {
    this.#entries.push(...scores);
  }
}
