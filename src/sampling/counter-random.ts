/**
 * Random numbers without a state: a draw is a pure function of (seed, position), so a sequence draws the same alone, in
 * a crowd, after preemption and after a restart.
 *
 * Philox4x32-10: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC '11), as in Random123.
 */

const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;
const NUM_ROUNDS = 10;

/** Four or two unsigned 32-bit words, the lowest first. */
type Words4 = readonly [number, number, number, number];
type Words2 = readonly [number, number];

/**
 * The Philox4x32-10 block function.
 *
 * @param counter four unsigned 32-bit words
 * @param key two unsigned 32-bit words
 * @returns four unsigned 32-bit words
 */
export function philox4x32(counter: Words4, key: Words2): Words4 {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < NUM_ROUNDS; round++) {
    const high0 = multiplyHigh(MULTIPLIER_0, c0);
    const low0 = Math.imul(MULTIPLIER_0, c0);
    const high1 = multiplyHigh(MULTIPLIER_1, c2);
    const low1 = Math.imul(MULTIPLIER_1, c2);
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1 >>> 0;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0 >>> 0;
    k0 = (k0 + WEYL_0) >>> 0;
    k1 = (k1 + WEYL_1) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/** The upper 32 bits of the 64-bit product of two unsigned words; no intermediate exceeds 2^53. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carry = (middle & 0xffff) + aLow * bHigh;
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(carry / 0x10000)) >>> 0;
}

/**
 * A number in [0, 1) with 53 random bits.
 *
 * @param seed any safe integer, negative ones too (taken as 64-bit two's complement)
 * @param position how many numbers of this seed came before; a safe integer >= 0
 * @example
 * ```ts
 * uniformAt(42, 0) === uniformAt(42, 0); // true: no state
 * ```
 */
export function uniformAt(seed: number, position: number): number {
  const [high, low] = philox4x32([...wordsOf(position), 0, 0], wordsOf(seed));
  // The top 27 and 26 bits of two words: every double in [0, 1) that is a multiple of 2^-53, each as likely.
  return ((high >>> 5) * 0x4000000 + (low >>> 6)) / 2 ** 53;
}

function wordsOf(value: number): Words2 {
  return [value >>> 0, Math.floor(value / 2 ** 32) >>> 0];
}
