/**
 * Which rows or columns of a tensor belong to which rank: the one place where this is computed, for shards on the disk
 * and for ranks that read their part of a whole folder. Plain arithmetic; knows no tensor and no file.
 */
import { invariant } from "../../errors/troupe-error.ts";

/** One of `size` ranks. */
export interface RankPlace {
  readonly rank: number;
  readonly size: number;
}

/** From `start` up to `end`, not included. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * What stays whole when a part is cut:
 * a query head; a KV head, which several ranks hold when there are fewer of them than ranks; a channel of an MLP; a block
 * of quantised inputs; a token of the vocabulary, the only unit whose number need not be a multiple of the ranks.
 */
export const CUT_UNITS = ["head", "KV head", "channel", "block", "token"] as const;
/** One of {@link CUT_UNITS}. */
export type CutUnit = (typeof CUT_UNITS)[number];

/** Rows (or columns) of a tensor that mean one thing: the queries of a packed projection, say. */
export interface CutPart {
  /** query, key, value, gate, up, ... */
  readonly name: string;
  readonly unit: CutUnit;
  readonly numUnits: number;
  /** Rows (or columns) of one unit. */
  readonly unitSize: number;
}

/** How one axis of a tensor is cut: `numGroups` times the same parts one after the other, each part cut by itself. */
export interface AxisCut {
  readonly parts: readonly CutPart[];
  /** Above 1 for projections packed KV head by KV head. Groups stay whole while there are enough for all ranks. */
  readonly numGroups: number;
}

/** Rows (or columns) of the whole tensor. */
export function axisSize({ parts, numGroups }: AxisCut): number {
  return numGroups * groupSize(parts);
}

/** Why `size` ranks cannot share it, as a sentence without its end; null when they can. */
export function cutProblem({ parts, numGroups }: AxisCut, size: number): string | null {
  if (numGroups % size === 0) return null;
  if (size % numGroups !== 0) return `${numGroups} KV heads cannot be shared by ${size} ranks`;
  const ranksPerGroup = size / numGroups;
  for (const { unit, numUnits } of parts) {
    const canCopy = unit === "KV head" && ranksPerGroup % numUnits === 0;
    if (unit === "token" || canCopy || numUnits % ranksPerGroup === 0) continue;
    const total = numUnits * numGroups;
    return `${total} ${unit}s cannot be shared evenly by ${size} ranks`;
  }
  return null;
}

/** On how many ranks each unit of a part lies: 1, or more for KV heads that are fewer than ranks. */
export function numCopies(part: CutPart, numGroups: number, size: number): number {
  const ranksPerGroup = Math.max(1, size / numGroups);
  return part.unit === "KV head" ? Math.max(1, ranksPerGroup / part.numUnits) : 1;
}

/**
 * The rows (or columns) of a rank, ascending; neighbouring spans are joined.
 *
 * @throws TroupeError `internal` when {@link cutProblem} has one
 * @example
 * ```ts
 * const heads = { name: "query", unit: "head", numUnits: 4, unitSize: 16 } as const;
 * rankSpans({ parts: [heads], numGroups: 1 }, { rank: 1, size: 2 }); // [{ start: 32, end: 64 }]
 * ```
 */
export function rankSpans(cut: AxisCut, place: RankPlace): Span[] {
  invariant(cutProblem(cut, place.size) === null, `${place.size} ranks share the axis`);
  const { parts, numGroups } = cut;
  const length = groupSize(parts);
  if (place.size <= numGroups) {
    const { start, end } = shareOf(numGroups, place);
    return [{ start: start * length, end: end * length }];
  }
  const size = place.size / numGroups;
  const inGroup = { rank: place.rank % size, size };
  let offset = Math.floor(place.rank / size) * length;
  const spans: Span[] = [];
  for (const part of parts) {
    const { start, end } = partShare(part, inGroup);
    spans.push({ start: offset + start * part.unitSize, end: offset + end * part.unitSize });
    offset += part.numUnits * part.unitSize;
  }
  return joined(spans);
}

/**
 * Kernels for 4-bit weights compute so many outputs together, and those left over at the end in another order: a rank's share
 * begins where such a group does, so that the outputs left over are the same on any number of ranks. Heads and channels come in
 * larger numbers.
 */
const TOKENS_TOGETHER = 4;

/** Units of a part that a rank holds. */
export function partShare({ unit, numUnits }: CutPart, place: RankPlace): Span {
  if (unit === "token") {
    const { start, end } = shareOf(Math.ceil(numUnits / TOKENS_TOGETHER), place);
    return { start: start * TOKENS_TOGETHER, end: Math.min(numUnits, end * TOKENS_TOGETHER) };
  }
  if (unit !== "KV head" || place.size <= numUnits) return shareOf(numUnits, place);
  const start = Math.floor((place.rank * numUnits) / place.size);
  return { start, end: start + 1 };
}

/** Units of a rank when none is copied; shares differ by one where they cannot be equal. */
export function shareOf(numUnits: number, { rank, size }: RankPlace): Span {
  return {
    start: Math.floor((numUnits * rank) / size),
    end: Math.floor((numUnits * (rank + 1)) / size),
  };
}

/** Rows (or columns) in all spans. */
export function spansSize(spans: readonly Span[]): number {
  return spans.reduce((sum, { start, end }) => sum + end - start, 0);
}

function groupSize(parts: readonly CutPart[]): number {
  return parts.reduce((sum, { numUnits, unitSize }) => sum + numUnits * unitSize, 0);
}

function joined(spans: readonly Span[]): Span[] {
  const result: Span[] = [];
  for (const span of spans) {
    const last = result.at(-1);
    if (last?.end === span.start) result[result.length - 1] = { start: last.start, end: span.end };
    else result.push(span);
  }
  return result;
}
