/**
 * The sampler of one engine: admits sequences, draws one token for each draw of a step, scores tokens on request.
 *
 * All it keeps follows from the SamplerSequence messages and its own answers, so a restarted sampler is rebuilt from
 * prompts and outputs. A token depends on its row's bits, its sequence's tokens and parameters and (seed, position): on
 * nothing else in the batch.
 */
import { NO_TOKEN } from "../core/no-token.ts";
import { invariant, TroupeError } from "../errors/troupe-error.ts";
import type {
  SamplerSequence,
  SamplingBatch,
  SequenceFailure,
  SequenceNumber,
  StepResult,
} from "../scheduling/step-plan.ts";
import { describeUnusableRow } from "./arg-max.ts";
import { GrammarEngine, GrammarState } from "./grammar/grammar-engine.ts";
import type { TokenBytes } from "./grammar/token-trie.ts";
import { LogprobScorer } from "./logprobs.ts";
import { findCandidates, type PostSampling, type RowCandidates } from "./post-sampling.ts";
import type { PositionLogprobs, SamplingParams } from "./sampling-params.ts";
import { MAX_LOGPROBS } from "./sampling-ranges.ts";
import { SequenceState } from "./sequence-state.ts";
import { TokenChooser } from "./token-chooser.ts";

/** One draw of a step, looked up. */
interface Draw {
  /** Its place among the step's draws. */
  readonly index: number;
  /** The token that its row stands behind, when that is a guess. */
  readonly draft: number;
  readonly sequence: SequenceNumber;
  readonly state: SequenceState;
  readonly row: number;
}

/** What the draws of a step have given so far. */
interface Drawn {
  /** NO_TOKEN where none was drawn. [numDraws] */
  readonly tokenIds: Int32Array;
  /** [numDraws] */
  readonly logprobs: (PositionLogprobs | null)[];
  readonly unusable: UnusableRow[];
}

/** A row that gives no token or no log-probability. */
interface UnusableRow {
  readonly sequence: SequenceNumber;
  readonly row: number;
  /** Why, when it is not what the row holds. */
  readonly reason?: string;
  readonly isRequestFault?: true;
}

const NOTHING_FITS =
  "The grammar of the request allows no token that the model gives here, or the model has no end token to end with.";

/** What a sampler must know of its model. */
export interface SamplerOptions {
  readonly vocabSize: number;
  /** Bytes of the tokens; without them no sequence may have a grammar. */
  readonly tokens?: TokenBytes | null;
  /** Graphs that find the best tokens of rows; the host does without them. */
  readonly postSampling?: PostSampling | null;
}

/**
 * @example
 * ```ts
 * const sampler = new Sampler({ vocabSize: 32000 });
 * const result = sampler.run(batch, logits); // batch: SamplingBatch, logits: Float32Array [rows, 32000]
 * ```
 */
export class Sampler {
  readonly #vocabSize: number;
  readonly #chooser: TokenChooser;
  readonly #scorer = new LogprobScorer(MAX_LOGPROBS);
  readonly #tokens: TokenBytes | null;
  readonly #postSampling: PostSampling | null;
  #grammars: GrammarEngine | null = null;
  #sequences = new Map<SequenceNumber, SequenceState>();

  constructor(options: SamplerOptions) {
    this.#vocabSize = options.vocabSize;
    this.#tokens = options.tokens ?? null;
    this.#postSampling = options.postSampling ?? null;
    this.#chooser = new TokenChooser(options.vocabSize);
  }

  /**
   * Does one step. A batch that breaks a rule throws before any sequence was admitted, released or advanced. Rows that hold
   * NaN or Infinity fail their own sequences only; these do not advance.
   *
   * @param logits [rows, vocabSize]; only read
   * @throws TroupeError `internal` when the batch breaks a rule, for instance names an unknown sequence
   */
  run(batch: SamplingBatch, logits: Float32Array): StepResult {
    invariant(
      logits.length % this.#vocabSize === 0,
      `${logits.length} logits are not whole rows of ${this.#vocabSize}`,
    );
    const sequences = this.#sequencesAfter(batch);
    const draws = drawsOf(batch, sequences);
    // a row that is not there must be found before anyone has advanced
    for (const { row } of draws) this.#row(logits, row);
    const drawn: Drawn = {
      tokenIds: new Int32Array(draws.length).fill(NO_TOKEN),
      logprobs: draws.map(() => null),
      unusable: [],
    };
    const promptLogprobs = this.#scorePrompts(batch, sequences, logits, drawn.unusable);
    let wave = draws.filter(({ draft }) => draft === NO_TOKEN);
    while (wave.length > 0) {
      const made = this.#draw(wave, logits, drawn);
      wave = made.flatMap(({ index }) => {
        const next = draws[index + 1];
        return next !== undefined && next.draft === drawn.tokenIds[index] ? [next] : [];
      });
    }
    const { tokenIds, logprobs, unusable } = drawn;
    this.#sequences = sequences;
    return {
      step: batch.step,
      tokenIds,
      logprobs: draws.some(({ state }) => wantsLogprobs(state.params)) ? logprobs : null,
      promptLogprobs,
      failures: this.#failures(unusable, logits),
    };
  }

  /** The sequences known once the batch's admissions and releases have happened. */
  #sequencesAfter(batch: SamplingBatch): Map<SequenceNumber, SequenceState> {
    if (batch.admitted.length === 0 && batch.released.length === 0) return this.#sequences;
    const sequences = new Map(this.#sequences);
    for (const admitted of batch.admitted) {
      invariant(!sequences.has(admitted.sequence), `sequence ${admitted.sequence} is admitted twice`);
      sequences.set(admitted.sequence, new SequenceState(admitted, this.#grammarOf(admitted)));
    }
    for (const sequence of batch.released) sequences.delete(sequence);
    return sequences;
  }

  #grammarOf({ params, sequence }: SamplerSequence): GrammarState | null {
    if (params.grammar === null) return null;
    invariant(this.#tokens !== null, `sequence ${sequence} has a grammar, but the vocabulary is not known`);
    this.#grammars ??= new GrammarEngine(this.#tokens, this.#vocabSize);
    return new GrammarState(params.grammar, this.#grammars);
  }

  /**
   * Draws for some sequences, each at most once, and lets them advance.
   *
   * @returns the draws that gave a token
   */
  #draw(draws: readonly Draw[], logits: Float32Array, { tokenIds, logprobs, unusable }: Drawn): Draw[] {
    const rows = draws.map(({ state, row }) => ({ state, row: this.#row(logits, row) }));
    const known = this.#postSampling === null ? [] : findCandidates(rows, this.#postSampling);
    for (const [place, { index, sequence, state, row }] of draws.entries()) {
      const values = rows[place]!.row;
      const choice = this.#choose(values, state, known[place] ?? null);
      if (typeof choice !== "number") {
        unusable.push({ sequence, row, ...choice });
        continue;
      }
      tokenIds[index] = choice;
      if (!wantsLogprobs(state.params)) continue;
      logprobs[index] = this.#scorer.score(values, choice, state.params.logprobs ?? 0);
      if (logprobs[index] === null) unusable.push({ sequence, row });
    }
    const failed = new Set(unusable.map(({ sequence }) => sequence));
    const made = draws.filter(({ sequence }) => !failed.has(sequence));
    for (const { index, state } of made) state.record(tokenIds[index]!);
    return made;
  }

  /** A token, or why there is none. */
  #choose(
    row: Float32Array,
    state: SequenceState,
    known: RowCandidates | null,
  ): number | Pick<UnusableRow, "reason" | "isRequestFault"> {
    try {
      const tokenId = this.#chooser.choose(row, state, known);
      if (tokenId !== null) return tokenId;
      return state.grammar === null ? {} : { reason: NOTHING_FITS };
    } catch (error) {
      if (error instanceof TroupeError && error.code === "invalid_request")
        return { reason: error.message, isRequestFault: true };
      throw error;
    }
  }

  #scorePrompts(
    batch: SamplingBatch,
    sequences: ReadonlyMap<SequenceNumber, SequenceState>,
    logits: Float32Array,
    unusable: UnusableRow[],
  ): PositionLogprobs[][] {
    return batch.promptScorings.map(({ sequence, firstRow, targets }) => {
      const state = sequences.get(sequence);
      invariant(state !== undefined, `sequence ${sequence} is to be scored but was never admitted`);
      const positions: PositionLogprobs[] = [];
      targets.forEach((target, index) => {
        const row = firstRow + index;
        const scored = this.#scorer.score(this.#row(logits, row), target, state.params.promptLogprobs ?? 0);
        if (scored === null) unusable.push({ sequence, row });
        positions.push(scored ?? { tokenId: target, logprob: Number.NEGATIVE_INFINITY, rank: 0, top: [] });
      });
      return positions;
    });
  }

  /** A view of one row. [vocabSize] */
  #row(logits: Float32Array, row: number): Float32Array {
    const start = row * this.#vocabSize;
    invariant(
      row >= 0 && start + this.#vocabSize <= logits.length,
      `row ${row} lies outside the ${logits.length / this.#vocabSize} rows of logits`,
    );
    return logits.subarray(start, start + this.#vocabSize);
  }

  /** One for each sequence, by its first unusable row. */
  #failures(unusable: readonly UnusableRow[], logits: Float32Array): SequenceFailure[] {
    const failures = new Map<SequenceNumber, SequenceFailure>();
    for (const { sequence, row, reason: known, ...fault } of unusable) {
      if (failures.has(sequence)) continue;
      const reason =
        known ??
        `The model gave no distribution to draw from: ${describeUnusableRow(this.#row(logits, row))}.`;
      failures.set(sequence, { sequence, reason, ...fault });
    }
    return [...failures.values()];
  }
}

function drawsOf(batch: SamplingBatch, sequences: ReadonlyMap<SequenceNumber, SequenceState>): Draw[] {
  const { draws: pairs, drafts, step } = batch;
  invariant(
    pairs.length === 2 * drafts.length,
    `${pairs.length / 2} draws with ${drafts.length} drafts in step ${step}`,
  );
  const seen = new Set<SequenceNumber>();
  return Array.from(drafts, (draft, index) => {
    const sequence = pairs[2 * index]!;
    const state = sequences.get(sequence);
    invariant(state !== undefined, `sequence ${sequence} is drawn from but not admitted, or released`);
    const isNext = draft === NO_TOKEN ? !seen.has(sequence) : index > 0 && pairs[2 * index - 2] === sequence;
    invariant(isNext, `sequence ${sequence} is drawn from twice, or out of turn, in step ${step}`);
    seen.add(sequence);
    return { index, draft, sequence, state, row: pairs[2 * index + 1]! };
  });
}

/** Choosing the best n of bestOf answers takes log-probabilities too, asked for or not. */
function wantsLogprobs(params: SamplingParams): boolean {
  return params.logprobs !== null || params.bestOf > params.n;
}
