/**
 * A request and its bestOf answers. Answer 0, the carrier, computes the prompt for all; then the others fork from it,
 * share its pages copy-on-write, and live on their own.
 */
import { PromptScores } from "./prompt-scores.ts";
import type { Sequence } from "./sequence.ts";
import type { EngineRequest } from "./step-plan.ts";

/** Plain state of one request in flight. */
export class RequestGroup {
  readonly request: EngineRequest;
  /** On the clock of Scheduler.add. */
  readonly arrivedMs: number;
  /** [bestOf] */
  readonly answers: Sequence[] = [];
  /** Every answer has a table of its own. */
  isForked: boolean;
  isPaused = false;
  /** Its first tokens have been computed. */
  isStarted = false;
  /** Prompt tokens looked up in the prefix cache on entry. */
  numLookedUpTokens = 0;
  /** Prompt tokens found there. */
  numCachedTokens = 0;
  /** Collected log-probabilities of the prompt; null when not asked for, or sent. */
  scores: PromptScores | null;

  constructor(request: EngineRequest, arrivedMs: number) {
    const { params, promptIds, resumed } = request;
    this.request = request;
    this.arrivedMs = arrivedMs;
    // answers that have gone different ways share no more than what the prefix cache finds
    this.isForked = resumed?.some((outputIds) => outputIds.length > 0) ?? false;
    const isScored = params.promptLogprobs !== null && !this.isForked;
    this.scores = isScored ? new PromptScores(promptIds.length) : null;
  }

  get requestId(): string {
    return this.request.requestId;
  }

  /** Answers neither finished nor cancelled. */
  get wanted(): readonly Sequence[] {
    return this.answers.filter((answer) => answer.isWanted);
  }

  get numWanted(): number {
    return this.wanted.length;
  }

  /** The answers that one logits row of `sequence` is drawn for. */
  answersDrawnWith(sequence: Sequence): readonly Sequence[] {
    return this.isForked ? [sequence] : this.wanted;
  }
}
