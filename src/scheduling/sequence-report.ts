/** Where one sequence stands, as a person who looks for a fault needs it. */
import type { Sequence, SequenceState } from "./sequence.ts";

/** Plain data about one answer in the making. */
export interface SequenceReport {
  readonly requestId: string;
  /** Of the request's answers. */
  readonly index: number;
  readonly state: SequenceState;
  /** The step in flight computes it. */
  readonly isInFlight: boolean;
  readonly isPaused: boolean;
  readonly numPromptTokens: number;
  /** Prompt and output. */
  readonly numTokens: number;
  /** Tokens with keys and values in pages. */
  readonly numComputed: number;
}

export function reportSequence(sequence: Sequence): SequenceReport {
  const { group, index, state, isInFlight, numPromptTokens, numTokens, numComputed } = sequence;
  const { requestId, isPaused } = group;
  return { requestId, index, state, isInFlight, isPaused, numPromptTokens, numTokens, numComputed };
}

/**
 * One line for a log.
 *
 * @example
 * ```ts
 * describeSequence(report); // "req-7[0] running, in flight: 41 tokens (36 of the prompt), 40 computed"
 * ```
 */
export function describeSequence(report: SequenceReport): string {
  const { requestId, index, state, isInFlight, isPaused, numPromptTokens, numTokens, numComputed } = report;
  const flags = `${isInFlight ? ", in flight" : ""}${isPaused ? ", paused" : ""}`;
  const tokens = `${numTokens} tokens (${numPromptTokens} of the prompt), ${numComputed} computed`;
  return `${requestId}[${index}] ${state}${flags}: ${tokens}`;
}
