/**
 * Guesses what an answer says next: what stood behind its last tokens where they stood before. Answers that quote (a summary,
 * an edited file, JSON with its keys again and again) are guessed well, others seldom at all.
 *
 * Prompt lookup decoding (A. Saxena, 2023, github.com/apoorvumang/prompt-lookup-decoding); vLLM calls it n-gram speculation.
 */

/** Fewer equal tokens say nothing, more say no more. */
const MIN_NGRAM = 2;
const MAX_NGRAM = 4;

/**
 * The tokens behind the latest of the longest matches of the last tokens, at most {@link MAX_NGRAM} of them.
 *
 * @param tokenIds prompt and answer so far
 * @returns up to `maxTokens` ids; empty when the last {@link MIN_NGRAM} tokens have not stood together before
 * @example
 * ```ts
 * lookUpDraft(Int32Array.of(5, 6, 7, 8, 5, 6), 3); // [7, 8, 5]
 * ```
 */
export function lookUpDraft(tokenIds: Int32Array, maxTokens: number): Int32Array {
  const from = behindMatch(tokenIds);
  const draft = new Int32Array(from === null ? 0 : maxTokens);
  // a match close to the end is a repetition, which goes on into the draft
  for (let i = 0; i < draft.length; i++) {
    const source = from! + i;
    draft[i] = source < tokenIds.length ? tokenIds[source]! : draft[source - tokenIds.length]!;
  }
  return draft;
}

function behindMatch(tokenIds: Int32Array): number | null {
  const last = tokenIds.length - 1;
  let longest = MIN_NGRAM - 1;
  let behind: number | null = null;
  let end = tokenIds.lastIndexOf(tokenIds[last]!, last - 1);
  while (last > 0 && end >= longest && longest < MAX_NGRAM) {
    const length = matchLength(tokenIds, end, last);
    if (length > longest) {
      longest = length;
      behind = end + 1;
    }
    end = end === 0 ? -1 : tokenIds.lastIndexOf(tokenIds[last]!, end - 1);
  }
  return behind;
}

/** Equal tokens up to `end` and up to `last`, at most {@link MAX_NGRAM}. */
function matchLength(tokenIds: Int32Array, end: number, last: number): number {
  let length = 0;
  while (length < MAX_NGRAM && end - length >= 0 && tokenIds[end - length] === tokenIds[last - length])
    length++;
  return length;
}
