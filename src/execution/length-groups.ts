/** Cuts a row of sequences into groups that attend together: few runs against little padding. */

/** What a group costs, in keys. */
export interface GroupCosts {
  /** What one more run costs, expressed as keys gathered and multiplied. */
  readonly runKeys: number;
  /** Keys of a group, padding included, do not exceed this. */
  readonly maxKeys: number;
  /** Groups of up to this many sequences may all the same: fewer would leave threads idle. At least 1. */
  readonly minMembers: number;
}

/**
 * The cheapest cut into contiguous groups, where a group of n sequences costs its run plus n times its longest member.
 * Exact, by dynamic programming over the ends of groups: quadratic, for the few hundred sequences of a step.
 *
 * @param lengths keys of each sequence, best sorted so that similar ones are neighbours
 * @returns the end of each group (exclusive), ascending; the last is lengths.length
 * @example
 * ```ts
 * groupByLength([64, 64, 64, 2048], { runKeys: 300, maxKeys: 65536, minMembers: 1 }); // [3, 4]
 * ```
 */
export function groupByLength(lengths: ArrayLike<number>, costs: GroupCosts): number[] {
  const count = lengths.length;
  const best = new Float64Array(count + 1).fill(Number.POSITIVE_INFINITY);
  const starts = new Int32Array(count + 1);
  best[0] = 0;
  for (let end = 1; end <= count; end++) {
    let longest = 0;
    for (let start = end - 1; start >= 0; start--) {
      longest = Math.max(longest, lengths[start]!);
      const keys = (end - start) * longest;
      if (keys > costs.maxKeys && end - start > costs.minMembers) break;
      const cost = best[start]! + costs.runKeys + keys;
      if (cost >= best[end]!) continue;
      best[end] = cost;
      starts[end] = start;
    }
  }
  const ends: number[] = [];
  for (let end = count; end > 0; end = starts[end]!) ends.push(end);
  return ends.reverse();
}
