/**
 * Plans the runs of a step: each sequence's tokens are cut into units that a graph can compute at once, units of several
 * sequences are put into one run where the graph can tell them apart, and runs are padded to the sizes it was made for.
 */
import { TroupeError } from "../../errors/troupe-error.ts";
import type { GraphBuckets, GraphModel, GraphSpec } from "../../model/graphs/graph-model.ts";
import type { ExecutionBatch } from "../../scheduling/step-plan.ts";
import { groupByLength } from "../length-groups.ts";
import type { GraphRow } from "./input-builder.ts";

/** Tokens of one sequence that a graph computes at once. */
export interface GraphUnit extends GraphRow {
  readonly phase: "prefill" | "decode";
  readonly blockTable: Int32Array;
  /** Which rows of logits are wanted: pairs (token of the unit, row of the logits memory), flat. */
  readonly wanted: readonly number[];
}

/** Units that run together. */
export interface GraphRun {
  readonly phase: "prefill" | "decode";
  readonly units: readonly GraphUnit[];
  readonly batchSize: number;
  readonly numTokens: number;
  readonly pastLength: number;
}

/** What one more run costs, as keys of a padded past: it reads all weights again. */
const RUN_COST_KEYS = 8192;

/** Runs in order: a unit comes after those that its sequence computes before it. */
export function planGraphRuns(batch: ExecutionBatch, model: GraphModel): GraphRun[] {
  return planUnits(
    Array.from(batch.contextLens, (_, sequence) => cutPiece(batch, sequence, model)),
    model,
  );
}

/** Runs for the units of each sequence, in order. */
export function planUnits(pieces: readonly (readonly GraphUnit[])[], model: GraphModel): GraphRun[] {
  const numWaves = pieces.reduce((max, units) => Math.max(max, units.length), 0);
  return Array.from({ length: numWaves }, (_, wave) => {
    const units = pieces.flatMap((piece) => piece[wave] ?? []);
    return [...planPhase("decode", units, model), ...planPhase("prefill", units, model)];
  }).flat();
}

/** The units of one sequence. */
function cutPiece(batch: ExecutionBatch, sequence: number, model: GraphModel): GraphUnit[] {
  const first = batch.tokenStarts[sequence]!;
  const end = batch.tokenStarts[sequence + 1]!;
  const blockTable = batch.blockTables.subarray(
    batch.blockStarts[sequence]!,
    batch.blockStarts[sequence + 1]!,
  );
  const rows = [...batch.logitTokens.entries()].filter(([, token]) => token >= first && token < end);
  const units: GraphUnit[] = [];
  for (let start = first; start < end; ) {
    const contextLen = batch.contextLens[sequence]! + start - first;
    const length = unitLength(
      model,
      contextLen,
      end - start,
      (rows.find(([, token]) => token >= start)?.[1] ?? Number.NaN) - start,
    );
    const wanted = rows.flatMap(([row, token]) =>
      token >= start && token < start + length ? [token - start, row] : [],
    );
    const phase = contextLen > 0 && length === 1 ? "decode" : "prefill";
    units.push({
      phase,
      tokenIds: batch.tokenIds.subarray(start, start + length),
      contextLen,
      blockTable,
      wanted,
    });
    start += length;
  }
  return units;
}

/** @param nextWanted the next token whose logits are wanted, counted from the unit's first; NaN for none */
function unitLength(model: GraphModel, contextLen: number, numLeft: number, nextWanted: number): number {
  const { prefill, buckets } = model;
  // Its prefill graph begins anew: what follows a context goes through the decode graph, token by token.
  if (contextLen > 0 && prefill.past === null) return 1;
  const longest = buckets.seqLengths.at(-1) ?? Number.POSITIVE_INFINITY;
  const untilWanted = prefill.lastLogitsOnly && nextWanted >= 0 ? nextWanted + 1 : numLeft;
  return Math.min(numLeft, longest, untilWanted);
}

function planPhase(phase: GraphRun["phase"], all: readonly GraphUnit[], model: GraphModel): GraphRun[] {
  const spec = model[phase];
  const units = all.filter((unit) => unit.phase === phase);
  units.sort((a, b) => a.contextLen - b.contextLen || a.tokenIds.length - b.tokenIds.length);
  const { prefillBatchSizes, decodeBatchSizes } = model.buckets;
  const most =
    phase === "prefill" ? (prefillBatchSizes.at(-1) ?? 1) : (decodeBatchSizes.at(-1) ?? units.length);
  return groupUnits(units, spec, most).map((group) => toRun(phase, group, spec, model.buckets));
}

/** Neighbours that one run can hold. */
function groupUnits(units: readonly GraphUnit[], spec: GraphSpec, most: number): GraphUnit[][] {
  const groups: GraphUnit[][] = [];
  for (const unit of units) {
    const group = groups.at(-1);
    if (group !== undefined && canShare(group[0]!, unit, spec)) group.push(unit);
    else groups.push([unit]);
  }
  return groups.flatMap((group) => cutGroup(group, most));
}

function canShare(a: GraphUnit, b: GraphUnit, spec: GraphSpec): boolean {
  if (isChunk(a, spec) || isChunk(b, spec)) return false;
  if (a.tokenIds.length === b.tokenIds.length && a.contextLen === b.contextLen) return true;
  return spec.pastSide !== "exact";
}

/** Several tokens behind others under GroupQueryAttention, which takes such from one sequence at a time, without padding. */
function isChunk({ contextLen, tokenIds }: GraphUnit, spec: GraphSpec): boolean {
  return spec.hasGroupQueryAttention && contextLen > 0 && tokenIds.length > 1;
}

/** Little padding against few runs, and no more rows than the graph may have. */
function cutGroup(group: readonly GraphUnit[], most: number): GraphUnit[][] {
  const ends = groupByLength(
    group.map(({ contextLen }) => contextLen),
    { runKeys: RUN_COST_KEYS, maxKeys: Number.POSITIVE_INFINITY, minMembers: 1 },
  );
  const cuts: GraphUnit[][] = [];
  let start = 0;
  for (const end of ends) {
    for (; start < end; start += most) cuts.push(group.slice(start, Math.min(end, start + most)));
    start = end;
  }
  return cuts;
}

function toRun(
  phase: GraphRun["phase"],
  units: readonly GraphUnit[],
  spec: GraphSpec,
  { prefillBatchSizes, decodeBatchSizes, seqLengths, actLengths }: GraphBuckets,
): GraphRun {
  const numTokens = Math.max(...units.map(({ tokenIds }) => tokenIds.length));
  const pastLength = pastLengthOf(units, numTokens, spec, actLengths);
  if (isChunk(units[0]!, spec)) return { phase, units, batchSize: 1, numTokens, pastLength };
  const batchSizes = phase === "prefill" ? prefillBatchSizes : decodeBatchSizes;
  return {
    phase,
    units,
    batchSize: bucketOf("batch sizes", batchSizes, units.length),
    numTokens: phase === "prefill" ? bucketOf("graphs.seqLengths", seqLengths, numTokens) : numTokens,
    pastLength,
  };
}

function pastLengthOf(
  units: readonly GraphUnit[],
  numTokens: number,
  spec: GraphSpec,
  actLengths: readonly number[],
): number {
  if (spec.past === null) return 0;
  const context = Math.max(...units.map(({ contextLen }) => contextLen));
  if (context === 0 && spec.fixed.past === null) return 0;
  // A graph that is told how much of its past counts may put the new keys into it.
  const hasRoom = spec.pastSide === "start" && !spec.hasGroupQueryAttention;
  if (actLengths.length === 0) return hasRoom ? context + numTokens : context;
  return bucketOf("graphs.actLengths", actLengths, context + numTokens);
}

/** The smallest bucket that holds `need`; without buckets, `need` itself. */
export function bucketOf(what: string, buckets: readonly number[], need: number): number {
  if (buckets.length === 0) return need;
  const bucket = buckets.find((size) => size >= need);
  if (bucket !== undefined) return bucket;
  throw new TroupeError(
    "engine_failed",
    `A run needs ${need} where the largest of ${what} is ${buckets.at(-1)}. Add a larger one, or lower engine.maxModelLen.`,
    { details: { need, buckets: [...buckets] } },
  );
}
