/**
 * best_of: more answers are generated than returned. Nothing can be shown before all have ended, so their events wait
 * here; then the n with the highest mean log-probability per token come out, best first, numbered from 0.
 */
import type { GenerationEvent } from "../protocol/engine.ts";
import type { SamplingParams } from "../sampling/sampling-params.ts";

/** An event of one answer. */
export type AnswerEvent = Extract<GenerationEvent, { kind: "delta" | "finish" }>;

/** Where the events of the answers go. */
export interface EventSink {
  push(event: AnswerEvent): void;
  /** All answers have ended; returns how many output tokens were shown. */
  complete(): number;
}

interface Candidate {
  readonly events: AnswerEvent[];
  sumLogprob: number;
  numTokens: number;
}

/** @see SamplingParams.bestOf */
export class BestOfSelection implements EventSink {
  readonly #params: SamplingParams;
  readonly #emit: (event: AnswerEvent) => void;
  readonly #candidates: readonly Candidate[];

  constructor(options: { readonly params: SamplingParams; readonly emit: (event: AnswerEvent) => void }) {
    this.#params = options.params;
    this.#emit = options.emit;
    this.#candidates = Array.from({ length: options.params.bestOf }, () => ({
      events: [],
      sumLogprob: 0,
      numTokens: 0,
    }));
  }

  push(event: AnswerEvent): void {
    const candidate = this.#candidates[event.index]!;
    if (event.kind === "delta") {
      candidate.numTokens += event.tokenIds.length;
      for (const position of event.logprobs ?? []) candidate.sumLogprob += position.logprob;
    }
    // log-probabilities were only asked for to choose by
    const shown =
      event.kind === "delta" && this.#params.logprobs === null ? { ...event, logprobs: null } : event;
    candidate.events.push(shown);
  }

  complete(): number {
    const best = this.#candidates
      .map((candidate, index) => ({
        candidate,
        index,
        mean: candidate.sumLogprob / Math.max(1, candidate.numTokens),
      }))
      .sort((a, b) => b.mean - a.mean || a.index - b.index)
      .slice(0, this.#params.n);
    best.forEach(({ candidate }, index) => {
      for (const event of candidate.events) this.#emit({ ...event, index });
    });
    return best.reduce((sum, { candidate }) => sum + candidate.numTokens, 0);
  }
}
