/** Collects what one step computes, within its budgets of tokens and logits rows. */
import type { BatchingOptions } from "./batching-options.ts";
import { NO_DRAFT } from "./propose-draft.ts";
import type { Sequence } from "./sequence.ts";

/** The part of one sequence that a step computes. */
export interface ScheduledChunk {
  readonly sequence: Sequence;
  /** Position of the first token; those before it are in pages. */
  readonly start: number;
  /** Tokens of the sequence. */
  readonly numTokens: number;
  /** Tokens guessed to come behind them, computed too; empty when the chunk draws for nobody. */
  readonly draft: Int32Array;
  /** Prompt positions [from, to) whose logits rows are scored, ahead of the row that is drawn from. */
  readonly scored: { readonly from: number; readonly to: number };
  /** Answers that draw from the last token's logits row; empty when the chunk does not reach the end. */
  readonly drawn: readonly Sequence[];
}

/** Limits of one step. */
export interface StepLimits {
  readonly maxNumBatchedTokens: number;
  readonly maxLogitRows: number;
  /** See SchedulerOptions. */
  readonly wholePrompts: boolean;
  readonly batching: Pick<BatchingOptions, "maxPrefillSeqs" | "maxPrefillTokens">;
}

/** Tokens that a chunk computes, its draft included. */
export function lengthOf({ numTokens, draft }: ScheduledChunk): number {
  return numTokens + draft.length;
}

/** Logits rows of a chunk, numbered in this order: scored prompt positions, the drawn one, those of its draft. */
export function numRowsOf({ scored, drawn, draft }: ScheduledChunk): number {
  return Math.max(0, scored.to - scored.from) + (drawn.length > 0 ? 1 : 0) + draft.length;
}

/** One step in the making. */
export class StepBuilder {
  /** Pairs (from, to), in order. */
  readonly pageCopies: number[] = [];
  readonly #decodes: ScheduledChunk[] = [];
  readonly #prefills: ScheduledChunk[] = [];
  readonly #wholePrompts: boolean;
  readonly #maxPrefills: number;
  #tokensLeft: number;
  /** Of tokensLeft, those that prompts may take. */
  #promptTokensLeft: number;
  #rowsLeft: number;
  #isPromptHeldUp = false;

  constructor(limits: StepLimits) {
    this.#tokensLeft = limits.maxNumBatchedTokens;
    this.#rowsLeft = limits.maxLogitRows;
    this.#wholePrompts = limits.wholePrompts;
    this.#maxPrefills = limits.batching.maxPrefillSeqs ?? Number.POSITIVE_INFINITY;
    this.#promptTokensLeft = limits.batching.maxPrefillTokens ?? Number.POSITIVE_INFINITY;
  }

  get isEmpty(): boolean {
    return this.#decodes.length + this.#prefills.length === 0;
  }

  /** No prompt could be added any more. */
  get isFull(): boolean {
    const numTokens = Math.min(this.#tokensLeft, this.#promptTokensLeft);
    return numTokens <= 0 || this.#rowsLeft === 0 || this.#prefills.length >= this.#maxPrefills;
  }

  /** Decodes first, then prefill chunks, each from the oldest on. */
  get chunks(): readonly ScheduledChunk[] {
    return [...this.#decodes, ...this.#prefills];
  }

  /**
   * How many tokens of `sequence` this step can compute; 0 for none.
   *
   * @param numDecodesAhead younger decodes still to come: each keeps a token and a row, except from the very first
   *   sequence of the step, so that the oldest always moves on
   */
  chunkLength(sequence: Sequence, numDecodesAhead: number): number {
    if (!sequence.isDecode && (this.#isPromptHeldUp || this.#prefills.length >= this.#maxPrefills)) return 0;
    const numReserved = sequence.isDecode ? 0 : numDecodesAhead;
    const least = this.isEmpty ? 1 : 0;
    const rows = Math.max(least, this.#rowsLeft - numReserved);
    const tokens = Math.max(least, this.#tokensLeft - numReserved);
    const budget = sequence.isDecode ? tokens : this.#promptBudget(sequence, tokens);
    const length = Math.min(sequence.numRemaining, budget, this.#longestWithRows(sequence, rows));
    return this.#wholePrompts && length < numPromptTokensLeft(sequence) ? 0 : length;
  }

  /**
   * How many tokens there is room to guess behind the one of a decode.
   *
   * @param numDecodesAhead as in {@link chunkLength}
   */
  draftLength(numDecodesAhead: number): number {
    return Math.max(0, Math.min(this.#tokensLeft, this.#rowsLeft) - numDecodesAhead - 1);
  }

  /** A prompt that must not be cut did not fit: shorter ones behind it wait too, so that none overtakes. */
  holdUpPrompts(): void {
    this.#isPromptHeldUp = this.#wholePrompts;
  }

  /**
   * @param numTokens at most what {@link chunkLength} allows, and at least 1
   * @param draft of a decode, at most what {@link draftLength} allows
   */
  add(sequence: Sequence, numTokens: number, draft: Int32Array = NO_DRAFT): void {
    const start = sequence.numComputed;
    const end = start + numTokens;
    const scored = sequence.group.scores?.wantedRows(start, end) ?? { from: start, to: start };
    const drawn = end === sequence.numTokens ? sequence.group.answersDrawnWith(sequence) : [];
    const chunk: ScheduledChunk = { sequence, start, numTokens, draft, scored, drawn };
    this.#tokensLeft -= lengthOf(chunk);
    if (!sequence.isDecode) this.#promptTokensLeft -= numTokens;
    this.#rowsLeft -= numRowsOf(chunk);
    const list = sequence.isDecode ? this.#decodes : this.#prefills;
    list.push(chunk);
  }

  /** A prompt that must not be cut may take more than is left, as the step's first. */
  #promptBudget(sequence: Sequence, tokens: number): number {
    const budget = Math.min(tokens, this.#promptTokensLeft);
    if (!this.#wholePrompts || this.#prefills.length > 0) return budget;
    return Math.max(budget, numPromptTokensLeft(sequence));
  }

  /** The longest chunk that needs at most `numRows` rows. */
  #longestWithRows(sequence: Sequence, numRows: number): number {
    const { numComputed, numRemaining } = sequence;
    const scores = sequence.group.scores;
    // every position from the first unscored one on needs a row: the prompt's for scores, its last for the draw
    if (scores !== null) return Math.max(0, scores.nextPosition - numComputed) + numRows;
    return numRows > 0 ? numRemaining : numRemaining - 1;
  }
}

/** Prompt tokens that have no keys and values yet. */
function numPromptTokensLeft({ numPromptTokens, numComputed }: Sequence): number {
  return Math.max(0, numPromptTokens - numComputed);
}
