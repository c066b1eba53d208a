/** Writes the scheduled chunks of a step into the flat arrays that ranks and sampler read. */
import { NO_TOKEN } from "../core/no-token.ts";
import { endTokenIds, type FinishLimits } from "./finish-check.ts";
import type { Sequence } from "./sequence.ts";
import { lengthOf, numRowsOf, type ScheduledChunk } from "./step-builder.ts";
import type { ExecutionBatch, PromptScoring, SamplerSequence, SamplingBatch } from "./step-plan.ts";

/** What the ranks compute. Each block table covers just the chunk's context and tokens. */
export function executionBatch(
  step: number,
  chunks: readonly ScheduledChunk[],
  pageCopies: readonly number[],
): ExecutionBatch {
  const tokenStarts = new Int32Array(chunks.length + 1);
  const contextLens = new Int32Array(chunks.length);
  const promptLens = new Int32Array(chunks.length);
  const blockStarts = new Int32Array(chunks.length + 1);
  let numRows = 0;
  for (const [index, chunk] of chunks.entries()) {
    tokenStarts[index + 1] = tokenStarts[index]! + lengthOf(chunk);
    contextLens[index] = chunk.start;
    promptLens[index] = chunk.sequence.numPromptTokens;
    blockStarts[index + 1] = blockStarts[index]! + numPagesOf(chunk);
    numRows += numRowsOf(chunk);
  }
  const tokenIds = new Int32Array(tokenStarts[chunks.length]!);
  const blockTables = new Int32Array(blockStarts[chunks.length]!);
  const logitTokens = new Int32Array(numRows);
  let row = 0;
  for (const [index, chunk] of chunks.entries()) {
    const { sequence, start, numTokens, scored, draft } = chunk;
    const first = tokenStarts[index]!;
    tokenIds.set(sequence.tokenIds.subarray(start, start + numTokens), first);
    tokenIds.set(draft, first + numTokens);
    sequence.kv.table.writeTo(blockTables, blockStarts[index]!, numPagesOf(chunk));
    for (let position = scored.from; position < scored.to; position++)
      logitTokens[row++] = first + position - start;
    if (chunk.drawn.length > 0) logitTokens[row++] = first + numTokens - 1;
    for (let behind = 0; behind < draft.length; behind++) logitTokens[row++] = first + numTokens + behind;
  }
  const copies = Int32Array.from(pageCopies);
  return {
    step,
    tokenIds,
    tokenStarts,
    contextLens,
    promptLens,
    blockStarts,
    blockTables,
    logitTokens,
    pageCopies: copies,
  };
}

/** What the sampler does. Sequences it does not know yet are introduced. */
export function samplingBatch(
  step: number,
  chunks: readonly ScheduledChunk[],
  released: Int32Array,
  limits: FinishLimits,
): SamplingBatch {
  const admitted: SamplerSequence[] = [];
  const promptScorings: PromptScoring[] = [];
  const draws: number[] = [];
  const drafts: number[] = [];
  let row = 0;
  for (const { sequence, scored, drawn, draft } of chunks) {
    const isScored = scored.to > scored.from;
    for (const known of isScored ? [sequence, ...drawn] : drawn)
      if (!known.isSamplerAware) admitted.push(introduce(known, limits));
    if (isScored) {
      const targets = sequence.tokenIds.slice(scored.from + 1, scored.to + 1);
      promptScorings.push({ sequence: sequence.number, firstRow: row, targets });
      row += targets.length;
    }
    for (const answer of drawn) {
      draws.push(answer.number, row);
      drafts.push(NO_TOKEN);
    }
    if (drawn.length > 0) row++;
    for (const tokenId of draft) {
      draws.push(sequence.number, row++);
      drafts.push(tokenId);
    }
  }
  return {
    step,
    admitted,
    released,
    draws: Int32Array.from(draws),
    drafts: Int32Array.from(drafts),
    promptScorings,
  };
}

function numPagesOf(chunk: ScheduledChunk): number {
  return Math.ceil((chunk.start + lengthOf(chunk)) / chunk.sequence.kv.table.pageSize);
}

function introduce(sequence: Sequence, limits: FinishLimits): SamplerSequence {
  sequence.isSamplerAware = true;
  const { promptIds, params } = sequence.group.request;
  return {
    sequence: sequence.number,
    params,
    seed: sequence.seed,
    promptIds,
    outputIds: sequence.outputIds,
    endTokenIds: endTokenIds(sequence, limits),
  };
}
