/** Slots: at most maxNumSeqs sequences run at once. A paused one takes no slot, though it keeps its pages. */
import type { WaitingRequest } from "./prefill-gate.ts";
import type { Sequence } from "./sequence.ts";
import type { SequenceStates } from "./sequence-states.ts";

/** Unpaused running sequences, oldest first. More than `maxNumSeqs` may have been resumed: the youngest sit out. */
export function activeSequences(states: SequenceStates, maxNumSeqs: number): Sequence[] {
  let numSlots = maxNumSeqs;
  const active: Sequence[] = [];
  for (const sequence of states.running) {
    if (sequence.group.isPaused) continue;
    numSlots -= sequence.numSlots;
    if (numSlots < 0) break;
    active.push(sequence);
  }
  return active;
}

/** Slots that unpaused running sequences take. More than there are when many were resumed. */
export function numTakenSlots(states: SequenceStates): number {
  let count = 0;
  for (const sequence of states.running) if (!sequence.group.isPaused) count += sequence.numSlots;
  return count;
}

/** Sequences that entered once and still have to run; paused ones aside. */
export function numUnfinished(states: SequenceStates): number {
  let count = 0;
  for (const queue of [states.running, states.waiting])
    for (const sequence of queue) if (sequence.hasEntered && !sequence.group.isPaused) count++;
  return count;
}

/**
 * How many sequences would still wait if those at the front took the free slots, and the slots that then remain. A
 * burst that the next step admits anyway is no queue.
 */
export function queueBehind(
  states: SequenceStates,
  numFreeSlots: number,
): { readonly numQueued: number; readonly numFreeSlots: number } {
  let numQueued = states.waiting.size;
  for (const sequence of states.waiting) {
    if (sequence.group.isPaused) continue;
    if (sequence.numSlots > numFreeSlots) return { numQueued, numFreeSlots: 0 };
    numFreeSlots -= sequence.numSlots;
    numQueued--;
  }
  return { numQueued, numFreeSlots: Math.max(0, numFreeSlots) };
}

/** Requests that have never run, oldest first; paused ones aside. */
export function freshRequests(states: SequenceStates): WaitingRequest[] {
  const fresh = [...states.waiting].filter(({ hasEntered, group }) => !hasEntered && !group.isPaused);
  return fresh.map(({ group, numTokens, numSlots }) => ({ arrivedMs: group.arrivedMs, numTokens, numSlots }));
}
