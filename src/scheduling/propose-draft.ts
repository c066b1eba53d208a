/** What a step guesses to come behind a sequence's last token. */
import { endTokenIds, type FinishLimits, numDrawsLeft } from "./finish-check.ts";
import { lookUpDraft } from "./prompt-lookup.ts";
import type { Sequence } from "./sequence.ts";

/** Nothing is guessed. */
export const NO_DRAFT = new Int32Array(0);

/**
 * As much as its pace allows and its answer can still take, and nothing behind a token that would end it: no draw follows
 * that one.
 *
 * @returns at most `maxLength` ids
 */
export function proposeDraft(sequence: Sequence, maxLength: number, limits: FinishLimits): Int32Array {
  const numUseful = numDrawsLeft(sequence, limits) - 1;
  const length = Math.min(maxLength, sequence.draftPace.length, numUseful);
  if (length <= 0) return NO_DRAFT;
  const draft = lookUpDraft(sequence.tokenIds, length);
  const ends = endTokenIds(sequence, limits);
  const end = draft.findIndex((id) => ends.includes(id));
  return end < 0 ? draft : draft.subarray(0, end);
}
