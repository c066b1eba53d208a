/**
 * The messages of one step. However many sequences a step carries, it is one ExecutionBatch down to each rank, one
 * SamplingBatch to the sampler and one StepResult back. Arrays are flat; bulk data stays in shared memory.
 *
 *     scheduler ──ExecutionBatch──► ranks ──logits (shared memory)──► sampler ──StepResult──► scheduler
 *              └─────SamplingBatch─────────────────────────────────────▲
 */
import type { PositionLogprobs, SamplingParams } from "../sampling/sampling-params.ts";

/** A sequence's number inside one scheduler incarnation; never reused. */
export type SequenceNumber = number;

/** What the ranks compute in one step. */
export interface ExecutionBatch {
  /** Counts up from 1. */
  readonly step: number;
  /** Token ids, sequence after sequence. [numTokens] */
  readonly tokenIds: Int32Array;
  /** Sequence i owns tokens tokenStarts[i] up to tokenStarts[i + 1]. [numSeqs + 1] */
  readonly tokenStarts: Int32Array;
  /** Tokens of sequence i whose keys and values already lie in pages; also the position of its first token. [numSeqs] */
  readonly contextLens: Int32Array;
  /** Tokens of the prompt of sequence i; what comes behind them was drawn. [numSeqs] */
  readonly promptLens: Int32Array;
  /** Sequence i's block table is blockTables[blockStarts[i]] up to blockStarts[i + 1]. [numSeqs + 1] */
  readonly blockStarts: Int32Array;
  /** Page numbers; each table covers context and new tokens of its sequence. [sum of pages] */
  readonly blockTables: Int32Array;
  /** Indices into tokenIds whose logits are wanted, ascending; logits row r belongs to token logitTokens[r]. [numLogitRows] */
  readonly logitTokens: Int32Array;
  /** Pairs (from, to) of pages to copy before anything else: copy on write. [2 * numCopies] */
  readonly pageCopies: Int32Array;
}

/** A sequence as the sampler must know it to draw from it; sent once, and again after a restart. */
export interface SamplerSequence {
  readonly sequence: SequenceNumber;
  readonly params: SamplingParams;
  /** The generator's key; differs for each of n answers. Safe integer. */
  readonly seed: number;
  readonly promptIds: Int32Array;
  /** Tokens drawn so far: empty at first, filled after a restart. */
  readonly outputIds: Int32Array;
  /** Tokens that may not be drawn before params.minTokens: end tokens (unless ignored) and stop tokens. */
  readonly endTokenIds: Int32Array;
}

/** Log-probabilities wanted for tokens of a prompt: logits row firstRow + k predicts targets[k]. */
export interface PromptScoring {
  readonly sequence: SequenceNumber;
  readonly firstRow: number;
  readonly targets: Int32Array;
}

/** What the sampler does in one step. */
export interface SamplingBatch {
  readonly step: number;
  /** Sequences not seen before; always ahead of their first draw. */
  readonly admitted: readonly SamplerSequence[];
  /** Sequences that are gone; forget them. */
  readonly released: Int32Array;
  /** Pairs (sequence, logits row): one token to draw each. Several may share a row. [2 * numDraws] */
  readonly draws: Int32Array;
  /**
   * NO_TOKEN for a draw that is made in any case; else its row stands behind this token, a guess, and it is made only if the
   * draw before it, of the same sequence, was made and gave this token. [numDraws]
   */
  readonly drafts: Int32Array;
  readonly promptScorings: readonly PromptScoring[];
}

/** A sequence that nothing can be drawn from: its logits hold NaN, Infinity, or nothing that may be drawn. */
export interface SequenceFailure {
  readonly sequence: SequenceNumber;
  readonly reason: string;
  /** The request asked for what cannot be done: its grammar is too complex. Else the model is at fault. */
  readonly isRequestFault?: true;
}

/** What the sampler answers. */
export interface StepResult {
  readonly step: number;
  /** One token for each draw, in order; NO_TOKEN for one that was not made. [numDraws] */
  readonly tokenIds: Int32Array;
  /**
   * For each draw its log-probabilities when its params ask for them (logprobs, or bestOf > n to rank by them), else null;
   * null when none asks.
   */
  readonly logprobs: readonly (PositionLogprobs | null)[] | null;
  /** In the order of promptScorings: one entry for each target. */
  readonly promptLogprobs: readonly (readonly PositionLogprobs[])[];
  /** What was drawn or scored for these sequences means nothing; their requests fail, the others go on. */
  readonly failures: readonly SequenceFailure[];
}

/** Why a sequence ended. */
export const FINISH_REASONS = ["stop", "length", "cancelled"] as const;
/** One of {@link FINISH_REASONS}. */
export type FinishReason = (typeof FINISH_REASONS)[number];

/** A request as the scheduler takes it. */
export interface EngineRequest {
  /** Unique among requests in flight. */
  readonly requestId: string;
  readonly promptIds: Int32Array;
  readonly params: SamplingParams;
  /** The seed of answer 0; never null here. */
  readonly seed: number;
  /** Tokens of each answer generated before a restart, [bestOf]; absent for a fresh request. */
  readonly resumed?: readonly Int32Array[];
}

/** What one step gave one answer of one request. */
export interface SequenceOutput {
  readonly requestId: string;
  /** Which of the request's bestOf answers. */
  readonly index: number;
  /** New tokens, the ending token included. */
  readonly tokenIds: readonly number[];
  /** One for each new token, when asked for. */
  readonly logprobs: readonly PositionLogprobs[] | null;
  readonly finishReason: FinishReason | null;
  /** The stop token that ended it; null for an end-of-sequence token or another reason. */
  readonly stopTokenId: number | null;
}

/** Log-probabilities of prompt tokens; entry 0 (nothing before it) is null. Sent once per request when complete. */
export interface PromptOutput {
  readonly requestId: string;
  readonly logprobs: readonly (PositionLogprobs | null)[];
}

/** All that one step gave, for the text stage: one message. */
export interface StepOutput {
  readonly step: number;
  readonly sequences: readonly SequenceOutput[];
  readonly prompts: readonly PromptOutput[];
  /** Requests that ended because the model gave them no distribution to draw from. */
  readonly failures: readonly (Omit<SequenceFailure, "sequence"> & { readonly requestId: string })[];
  /** Requests whose prompt was first scheduled in this step, with the number of its tokens found in the prefix cache. */
  readonly started: readonly { readonly requestId: string; readonly numCachedTokens: number }[];
}
