/** Whether waiting requests enter now, or wait a little for others to be computed with them. Times are on the caller's clock. */
import type { BatchingOptions } from "./batching-options.ts";

/** One request that has not run yet. */
export interface WaitingRequest {
  readonly arrivedMs: number;
  readonly numTokens: number;
  /** Answers that run when it does. */
  readonly numSlots: number;
}

/** What a batch of prompts can be made of. */
export interface BatchRoom {
  readonly numFreeSlots: number;
  /** Tokens that one step computes at most. */
  readonly numTokens: number;
}

/**
 * How long until the batch closes, which it does when it is full or when its oldest request has waited long enough.
 *
 * @param waiting oldest first
 * @returns 0 when it is closed: the requests may enter
 */
export function timeToClose(
  waiting: readonly WaitingRequest[],
  options: BatchingOptions,
  room: BatchRoom,
  nowMs: number,
): number {
  const oldest = waiting[0];
  if (oldest === undefined || options.prefillDelayMs === 0) return 0;
  const leftMs = oldest.arrivedMs + options.prefillDelayMs - nowMs;
  return leftMs <= 0 || isFull(waiting, options, room) ? 0 : leftMs;
}

function isFull(waiting: readonly WaitingRequest[], options: BatchingOptions, room: BatchRoom): boolean {
  const sum = (count: (request: WaitingRequest) => number): number =>
    waiting.reduce((total, request) => total + count(request), 0);
  return (
    waiting.length >= (options.maxPrefillSeqs ?? Number.POSITIVE_INFINITY) ||
    sum(({ numSlots }) => numSlots) >= room.numFreeSlots ||
    sum(({ numTokens }) => numTokens) >= Math.min(room.numTokens, options.maxPrefillTokens ?? room.numTokens)
  );
}
