/**
 * Owns the memory in which the ranks of a model put their columns side by side. It comes first among them and restarts with
 * them: what was poisoned, or what a rank that hangs may still write to, is never used again.
 */
import { type AllGatherMemory, createAllGatherMemory } from "../src/execution/all-gather.ts";
import { defineActor } from "../src/runtime/actor-definition.ts";
import type { AllGatherProtocol } from "./messages.ts";

/** How many ranks, and how many floats they exchange at a time. */
export interface AllGatherArgs {
  readonly numRanks: number;
  readonly maxFloats: number;
}

export default defineActor<AllGatherProtocol, AllGatherArgs, AllGatherMemory>({
  init: (_ctx, { numRanks, maxFloats }) => createAllGatherMemory(numRanks, maxFloats),
  handlers: {
    attach: (memory) => memory,
  },
});
