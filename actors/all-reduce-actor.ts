/**
 * Owns the memory in which the ranks of a model add up their partial sums. It comes first among them and restarts with
 * them: what was poisoned, or what a rank that hangs may still write to, is never used again.
 */
import { type AllReduceMemory, createAllReduceMemory } from "../src/execution/all-reduce.ts";
import { defineActor } from "../src/runtime/actor-definition.ts";
import type { AllReduceProtocol } from "./messages.ts";

/** How many ranks, and the floats of the largest partial sum. */
export interface AllReduceArgs {
  readonly numRanks: number;
  readonly slotLength: number;
}

export default defineActor<AllReduceProtocol, AllReduceArgs, AllReduceMemory>({
  init: (_ctx, { numRanks, slotLength }) => createAllReduceMemory(numRanks, slotLength),
  handlers: {
    attach: (memory) => memory,
  },
});
