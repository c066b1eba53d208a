/** Ranks and sampler of the reference model: runs a planned step on real page numbers, and distrusts every one. */
import assert from "node:assert/strict";
import { NO_TOKEN } from "../../src/core/no-token.ts";
import type { BatchingOptions } from "../../src/scheduling/batching-options.ts";
import type {
  ExecutionBatch,
  SamplerSequence,
  SamplingBatch,
  StepResult,
} from "../../src/scheduling/step-plan.ts";
import { draw, nextState, scoreOf, stateAfter } from "./reference-model.ts";

/** Sizes that every batch is checked against. */
export interface ExecutorLimits {
  readonly numPages: number;
  readonly pageSize: number;
  /** Ids from 0 on that are drawn; few make answers that repeat. */
  readonly numDrawnIds: number;
  readonly maxNumSeqs: number;
  readonly maxNumBatchedTokens: number;
  readonly maxLogitRows: number;
  readonly wholePrompts: boolean;
  readonly maxDraftTokens: number;
  readonly batching: BatchingOptions;
}

interface KnownSequence {
  readonly init: SamplerSequence;
  readonly tokenIds: number[];
}

/** One sequence's part of a batch. */
export interface BatchPart {
  readonly start: number;
  readonly tokenIds: readonly number[];
  readonly pages: readonly number[];
}

/** The parts of a batch, by sequence. */
export function partsOf(batch: ExecutionBatch): BatchPart[] {
  return Array.from(batch.contextLens, (start, index) => ({
    start,
    tokenIds: [...batch.tokenIds.subarray(batch.tokenStarts[index], batch.tokenStarts[index + 1])],
    pages: [...batch.blockTables.subarray(batch.blockStarts[index], batch.blockStarts[index + 1])],
  }));
}

/** The length of each sequence's draft: draws that depend on it, by the token behind which they are made. */
function draftLengths(batch: ExecutionBatch, { draws, drafts }: SamplingBatch): number[] {
  const drafted = new Set<number>();
  for (const [index, draft] of drafts.entries()) {
    const token = batch.logitTokens[draws[2 * index + 1]!]!;
    if (draft === NO_TOKEN) continue;
    assert.equal(batch.tokenIds[token], draft, "the row stands behind another token than the draft says");
    drafted.add(token);
  }
  return Array.from(batch.contextLens, (_, i) => {
    const [from, to] = [batch.tokenStarts[i]!, batch.tokenStarts[i + 1]!];
    return [...drafted].filter((token) => token >= from && token < to).length;
  });
}

/** Prompts keep within their own limits. */
function assertBatching(
  batch: ExecutionBatch,
  drafts: readonly number[],
  { batching, wholePrompts, maxDraftTokens }: ExecutorLimits,
): void {
  const numDrafted = drafts.reduce((sum, length) => sum + length, 0);
  assert.ok(numDrafted <= maxDraftTokens, `${numDrafted} tokens guessed`);
  const lengths = Array.from(
    batch.contextLens,
    (_, i) => batch.tokenStarts[i + 1]! - batch.tokenStarts[i]! - drafts[i]!,
  );
  const prompts = lengths.filter((length, i) => length > 1 || batch.contextLens[i]! < batch.promptLens[i]!);
  assert.ok(prompts.length <= (batching.maxPrefillSeqs ?? prompts.length), `${prompts.length} prompts`);
  const numTokens = prompts.reduce((sum, length) => sum + length, 0);
  const isFree = batching.maxPrefillTokens === null || (wholePrompts && prompts.length === 1);
  assert.ok(isFree || numTokens <= batching.maxPrefillTokens!, `${numTokens} tokens of prompts`);
}

/** Every prompt is computed in one piece. */
function assertWholePrompts(batch: ExecutionBatch): void {
  for (const [index, start] of batch.contextLens.entries()) {
    const end = start + batch.tokenStarts[index + 1]! - batch.tokenStarts[index]!;
    const length = batch.promptLens[index]!;
    assert.ok(
      start >= length || (start === 0 && end >= length),
      `[${start}, ${end}) of a prompt of ${length}`,
    );
  }
}

export class FakeExecutor {
  readonly #limits: ExecutorLimits;
  readonly #slots: Float64Array; // [numPages * pageSize], states
  readonly sequences = new Map<number, KnownSequence>();

  constructor(limits: ExecutorLimits) {
    this.#limits = limits;
    this.#slots = new Float64Array(limits.numPages * limits.pageSize).fill(-1);
  }

  run({ execution, sampling }: { execution: ExecutionBatch; sampling: SamplingBatch }): StepResult {
    assert.equal(sampling.step, execution.step);
    const states = this.#execute(execution, draftLengths(execution, sampling));
    return this.#sample(sampling, states);
  }

  /** @returns the state of each wanted logits row */
  #execute(batch: ExecutionBatch, drafts: readonly number[]): number[] {
    const { pageSize, maxNumBatchedTokens, maxLogitRows, maxNumSeqs } = this.#limits;
    const parts = partsOf(batch);
    assert.ok(parts.length > 0 && parts.length <= maxNumSeqs, `${parts.length} sequences`);
    assertBatching(batch, drafts, this.#limits);
    if (this.#limits.wholePrompts) assertWholePrompts(batch);
    else assert.ok(batch.tokenIds.length <= maxNumBatchedTokens, `${batch.tokenIds.length} tokens`);
    assert.ok(batch.logitTokens.length <= maxLogitRows, `${batch.logitTokens.length} rows`);
    this.#copyPages(batch.pageCopies);
    this.#checkWrites(parts);
    const states: number[] = [];
    for (const { start, tokenIds, pages } of parts) {
      assert.ok(tokenIds.length > 0);
      assert.equal(pages.length, Math.ceil((start + tokenIds.length) / pageSize));
      assert.equal(new Set(pages).size, pages.length, "a page twice in a table");
      const slot = (position: number) =>
        pages[Math.floor(position / pageSize)]! * pageSize + (position % pageSize);
      let state = start === 0 ? 0 : this.#slots[slot(start - 1)]!;
      for (const [offset, tokenId] of tokenIds.entries()) {
        state = nextState(state, tokenId, start + offset);
        this.#slots[slot(start + offset)] = state;
        states.push(state);
      }
    }
    assert.deepEqual(
      [...batch.logitTokens],
      [...new Set(batch.logitTokens)].sort((a, b) => a - b),
    );
    return Array.from(batch.logitTokens, (token) => states[token]!);
  }

  #copyPages(copies: Int32Array): void {
    const { pageSize } = this.#limits;
    for (let pair = 0; pair < copies.length; pair += 2) {
      const from = copies[pair]! * pageSize;
      this.#slots.copyWithin(copies[pair + 1]! * pageSize, from, from + pageSize);
    }
  }

  /** Nobody writes where another one reads or writes. */
  #checkWrites(parts: readonly BatchPart[]): void {
    const { pageSize } = this.#limits;
    const users = new Map<number, number>();
    for (const { pages } of parts) for (const page of pages) users.set(page, (users.get(page) ?? 0) + 1);
    for (const { start, pages } of parts)
      for (const page of pages.slice(Math.floor(start / pageSize)))
        assert.equal(users.get(page), 1, `page ${page} is written while shared`);
  }

  #sample(batch: SamplingBatch, states: readonly number[]): StepResult {
    for (const number of batch.released) assert.ok(this.sequences.delete(number), `${number} is not known`);
    for (const init of batch.admitted) {
      assert.ok(!this.sequences.has(init.sequence), `${init.sequence} is admitted twice`);
      this.sequences.set(init.sequence, { init, tokenIds: [...init.promptIds, ...init.outputIds] });
    }
    const promptLogprobs = batch.promptScorings.map(({ sequence, firstRow, targets }) => {
      assert.ok(this.sequences.has(sequence), `${sequence} is scored unknown`);
      return Array.from(targets, (tokenId, offset) => {
        const logprob = scoreOf(states[firstRow + offset]!, tokenId);
        return { tokenId, logprob, rank: 1, top: [] };
      });
    });
    const tokenIds = new Int32Array(batch.draws.length / 2).fill(NO_TOKEN);
    for (const [index, draft] of batch.drafts.entries()) {
      const sequence = batch.draws[2 * index]!;
      if (draft !== NO_TOKEN) assert.equal(batch.draws[2 * index - 2], sequence, "a draft of another");
      if (draft !== NO_TOKEN && tokenIds[index - 1] !== draft) continue;
      tokenIds[index] = this.#draw(sequence, states[batch.draws[2 * index + 1]!]);
    }
    return { step: batch.step, tokenIds, logprobs: null, promptLogprobs, failures: [] };
  }

  #draw(number: number, state: number | undefined): number {
    const known = this.sequences.get(number);
    assert.ok(known !== undefined, `${number} draws unknown`);
    assert.equal(state, stateAfter(known.tokenIds), `sequence ${number} reads wrong keys and values`);
    const tokenId = draw(state!, known.init.seed, known.tokenIds.length, this.#limits.numDrawnIds);
    known.tokenIds.push(tokenId);
    return tokenId;
  }
}
