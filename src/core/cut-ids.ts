/** Prompts that are too long, cut to the tokens that count. */

/** At most so many tokens of a prompt, its first or its last ones. */
export interface PromptCut {
  readonly numTokens: number;
  readonly keep: "start" | "end";
}

/**
 * @returns `ids` itself when nothing is cut
 * @example
 * ```ts
 * cutIds(Int32Array.of(1, 2, 3), [{ numTokens: 2, keep: "end" }]); // 2, 3
 * ```
 */
export function cutIds(ids: Int32Array, cuts: readonly PromptCut[]): Int32Array {
  return cuts.reduce(
    (left, { numTokens, keep }) =>
      left.length <= numTokens
        ? left
        : keep === "start"
          ? left.slice(0, numTokens)
          : left.slice(left.length - numTokens),
    ids,
  );
}
