/** Writes the scheduled chunks of a step into the flat arrays that ranks and sampler read. */
import { endTokenIds, type FinishLimits } from "./finish-check.ts";
import type { Sequence } from "./sequence.ts";
import type { ScheduledChunk } from "./step-builder.ts";
import type { ExecutionBatch, PromptScoring, SamplerSequence, SamplingBatch } from "./step-plan.ts";

/** Logits rows are numbered in this order: chunk after chunk, scored prompt positions, then the drawn one. */
function numRowsOf({ scored, drawn }: ScheduledChunk): number {
  return Math.max(0, scored.to - scored.from) + (drawn.length > 0 ? 1 : 0);
}

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
    tokenStarts[index + 1] = tokenStarts[index]! + chunk.numTokens;
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
    const { sequence, start, numTokens, scored } = chunk;
    const first = tokenStarts[index]!;
    tokenIds.set(sequence.tokenIds.subarray(start, start + numTokens), first);
    sequence.kv.table.writeTo(blockTables, blockStarts[index]!, numPagesOf(chunk));
    for (let position = scored.from; position < scored.to; position++)
      logitTokens[row++] = first + position - start;
    if (chunk.drawn.length > 0) logitTokens[row++] = first + numTokens - 1;
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
  let row = 0;
  for (const { sequence, scored, drawn } of chunks) {
    const isScored = scored.to > scored.from;
    for (const known of isScored ? [sequence, ...drawn] : drawn)
      if (!known.isSamplerAware) admitted.push(introduce(known, limits));
    if (isScored) {
      const targets = sequence.tokenIds.slice(scored.from + 1, scored.to + 1);
      promptScorings.push({ sequence: sequence.number, firstRow: row, targets });
      row += targets.length;
    }
    for (const answer of drawn) draws.push(answer.number, row);
    if (drawn.length > 0) row++;
  }
  return { step, admitted, released, draws: Int32Array.from(draws), promptScorings };
}

function numPagesOf({ sequence, start, numTokens }: ScheduledChunk): number {
  return Math.ceil((start + numTokens) / sequence.kv.table.pageSize);
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
