/**
 * Models without keys and values, a single graph from ids to logits: each token is computed from all before it. Their pages
 * hold the tokens themselves, one number a token, so that the scheduler's pages, prefixes and copies mean what they always
 * do.
 */
import type { KvRows } from "../../kv/forms/kv-form.ts";
import { type KvLayout, slotOf, writeKvRows } from "../../kv/kv-memory.ts";
import type { GraphModel } from "../../model/graphs/graph-model.ts";
import type { ExecutionBatch } from "../../scheduling/step-plan.ts";
import { type GraphRun, type GraphUnit, planUnits } from "./graph-plan.ts";

/**
 * Writes the step's tokens into pages and plans the runs for the logits that are wanted.
 *
 * @param pool of a layout with one head of size 1, in float32, which holds every token id exactly
 */
export function planRecomputation(
  batch: ExecutionBatch,
  model: GraphModel,
  pool: KvRows,
  layout: KvLayout,
): GraphRun[] {
  const pieces = Array.from(batch.contextLens, (contextLen, sequence) => {
    const first = batch.tokenStarts[sequence]!;
    const end = batch.tokenStarts[sequence + 1]!;
    const blockTable = batch.blockTables.subarray(
      batch.blockStarts[sequence]!,
      batch.blockStarts[sequence + 1]!,
    );
    const slots = Int32Array.from({ length: end - first }, (_, token) =>
      slotOf(blockTable, contextLen + token, layout.pageSize),
    );
    writeKvRows(pool, layout, Float32Array.from(batch.tokenIds.subarray(first, end)), slots);
    const wanted = [...batch.logitTokens.entries()].flatMap(([row, token]) =>
      token >= first && token < end ? [contextLen + token - first, row] : [],
    );
    return unitsOf(model, readTokens(pool, layout, blockTable, contextLen + end - first), blockTable, wanted);
  });
  return planUnits(pieces, model);
}

/** One unit for all logits, or one for each where the graph gives those of the last token alone. */
function unitsOf(
  { prefill }: GraphModel,
  tokens: Int32Array,
  blockTable: Int32Array,
  wanted: readonly number[],
): GraphUnit[] {
  const unit = (numTokens: number, rows: readonly number[]): GraphUnit => ({
    phase: "prefill",
    tokenIds: tokens.subarray(0, numTokens),
    contextLen: 0,
    blockTable,
    wanted: rows,
  });
  if (wanted.length === 0) return [];
  if (!prefill.lastLogitsOnly) return [unit(tokens.length, wanted)];
  return Array.from({ length: wanted.length / 2 }, (_, i) =>
    unit(wanted[2 * i]! + 1, wanted.slice(2 * i, 2 * i + 2)),
  );
}

function readTokens(
  pool: KvRows,
  { pageSize }: KvLayout,
  blockTable: Int32Array,
  numTokens: number,
): Int32Array {
  const tokens = new Float32Array(numTokens);
  for (let start = 0; start < numTokens; start += pageSize)
    pool.read(blockTable[start / pageSize]! * pageSize, Math.min(pageSize, numTokens - start), tokens, start);
  return Int32Array.from(tokens);
}
