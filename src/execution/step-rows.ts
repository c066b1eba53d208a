/**
 * The order in which a step computes its tokens. Dense segments do not care, attention does: sequences with one query
 * come first, sorted by length, so that those which attend together lie side by side.
 */
import { slotOf } from "../kv/kv-memory.ts";
import type { PrefixAttention } from "../model/compiled-model.ts";
import type { ExecutionBatch } from "../scheduling/step-plan.ts";
import type { QueryPiece } from "./attention-plan.ts";

/** Rows of a step, or of the part of it that goes on to the logits. */
export interface StepRows {
  readonly pieces: readonly QueryPiece[];
  /** Which token of the batch each row computes. [numRows] */
  readonly tokens: Int32Array;
  /** Position of each row's token in its sequence. [numRows] */
  readonly positions: Int32Array;
}

interface TokenRange extends QueryPiece {
  readonly firstToken: number;
}

/** All tokens of the batch. */
export function allRows(batch: ExecutionBatch, prefix: PrefixAttention | null): StepRows {
  return arrange(tokenRanges(batch, prefix, (start, end) => [[start, end]]));
}

/** The tokens whose logits are wanted. */
export function logitRows(batch: ExecutionBatch, prefix: PrefixAttention | null): StepRows {
  const wanted = batch.logitTokens;
  let next = 0;
  return arrange(
    tokenRanges(batch, prefix, (start, end) => {
      const ranges: [number, number][] = [];
      for (; next < wanted.length && wanted[next]! < end; next++) {
        const token = wanted[next]!;
        const last = ranges.at(-1);
        if (last?.[1] === token) last[1]++;
        else if (token >= start) ranges.push([token, token + 1]);
      }
      return ranges;
    }),
  );
}

/** The slot that each row's keys and values are written to. [numRows] */
export function slotsOf(rows: StepRows, pageSize: number): Int32Array {
  const slots = new Int32Array(rows.tokens.length);
  let row = 0;
  for (const { blockTable, position, numQueries } of rows.pieces) {
    for (let i = 0; i < numQueries; i++) slots[row++] = slotOf(blockTable, position + i, pageSize);
  }
  return slots;
}

/** Where each token of a list stands in it. */
export function rowOfToken(tokens: Int32Array): ReadonlyMap<number, number> {
  return new Map(Array.from(tokens, (token, row) => [token, row]));
}

function tokenRanges(
  batch: ExecutionBatch,
  prefix: PrefixAttention | null,
  pick: (start: number, end: number) => readonly (readonly [start: number, end: number])[],
): TokenRange[] {
  const ranges: TokenRange[] = [];
  for (let sequence = 0; sequence < batch.contextLens.length; sequence++) {
    const start = batch.tokenStarts[sequence]!;
    const blockTable = batch.blockTables.subarray(
      batch.blockStarts[sequence]!,
      batch.blockStarts[sequence + 1]!,
    );
    const prefixLen = prefix === null ? 0 : Math.max(0, batch.promptLens[sequence]! - prefix.numCausalTokens);
    for (const [first, end] of pick(start, batch.tokenStarts[sequence + 1]!)) {
      const position = batch.contextLens[sequence]! + first - start;
      ranges.push({ firstToken: first, blockTable, position, prefixLen, numQueries: end - first });
    }
  }
  return ranges;
}

function arrange(ranges: readonly TokenRange[]): StepRows {
  const singles = ranges.filter((range) => range.numQueries === 1);
  const chunks = ranges.filter((range) => range.numQueries > 1);
  singles.sort((a, b) => a.position - b.position);
  const pieces = [...singles, ...chunks];
  const numRows = pieces.reduce((sum, piece) => sum + piece.numQueries, 0);
  const tokens = new Int32Array(numRows);
  const positions = new Int32Array(numRows);
  let row = 0;
  for (const { firstToken, position, numQueries } of pieces) {
    for (let i = 0; i < numQueries; i++) {
      tokens[row] = firstToken + i;
      positions[row++] = position + i;
    }
  }
  return { pieces, tokens, positions };
}
