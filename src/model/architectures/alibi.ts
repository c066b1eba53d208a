/** Attention with linear biases: the slope by which each head's scores fall with distance. */

/**
 * As published (https://arxiv.org/abs/2108.12409) for powers of two: 2^(-8/n), 2^(-16/n), ... Other numbers of heads take
 * those of the next smaller power of two, then every second one of the next larger.
 *
 * @returns [numHeads]
 * @example
 * ```ts
 * alibiSlopes(6); // [1/4, 1/16, 1/64, 1/256, 1/2, 1/8]
 * ```
 */
export function alibiSlopes(numHeads: number): number[] {
  const power = 2 ** Math.floor(Math.log2(numHeads));
  const between = geometric(2 * power).filter((_, i) => i % 2 === 0);
  return [...geometric(power), ...between.slice(0, numHeads - power)];
}

function geometric(numHeads: number): number[] {
  return Array.from({ length: numHeads }, (_, i) => 2 ** ((-8 * (i + 1)) / numHeads));
}
