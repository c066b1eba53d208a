/** Seeds for the several answers of one request. */

const TWO_POW_32 = 2 ** 32;

/**
 * The seed of answer `index`: answer 0 draws with the request's own seed, so asking for more answers does not change
 * it; the others with well-mixed ones (MurmurHash3's finaliser over both halves).
 *
 * @param seed a safe integer
 * @returns a safe integer
 * @example
 * ```ts
 * answerSeed(42, 0); // 42
 * answerSeed(42, 1) === answerSeed(43, 0); // false
 * ```
 */
export function answerSeed(seed: number, index: number): number {
  if (index === 0) return seed;
  const low = mix((seed >>> 0) ^ Math.imul(index, 0x9e3779b9));
  const high = mix((Math.floor(seed / TWO_POW_32) >>> 0) ^ low ^ Math.imul(index, 0x85ebca6b));
  return (high >>> 11) * TWO_POW_32 + mix(low ^ high);
}

function mix(value: number): number {
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
