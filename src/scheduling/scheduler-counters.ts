/** What the scheduler counts: totals since it began. They only grow. */
import type { EngineCounters } from "../protocol/engine.ts";

/** The engine's counters but for restarts, which a scheduler does not live to see. */
export type SchedulerCounters = {
  -readonly [Name in Exclude<keyof EngineCounters, "restarts">]: number;
};

/** All at 0. Prefix cache queries and hits count tokens. */
export function createCounters(): SchedulerCounters {
  return {
    promptTokens: 0,
    generationTokens: 0,
    prefixCacheQueries: 0,
    prefixCacheHits: 0,
    preemptions: 0,
    draftTokens: 0,
    acceptedTokens: 0,
    steps: 0,
  };
}
