/** The hash of a full page's tokens after a given prefix. */

const TWO_POW_32 = 2 ** 32;

/**
 * 53 well-mixed bits of (prefix, tokens): two lanes of MurmurHash3's 32-bit rounds with its finaliser (Austin Appleby,
 * public domain). Equal input gives equal output on every machine.
 *
 * @param prefixId a number that stands for everything before the page
 * @param tokenIds the sequence's tokens; the page's begin at `start`
 */
export function hashPage(prefixId: number, tokenIds: Int32Array, start: number, pageSize: number): number {
  let low = round(0x9e3779b9, prefixId | 0, 0xcc9e2d51);
  let high = round(0x7f4a7c15, Math.floor(prefixId / TWO_POW_32) ^ prefixId, 0x1b873593);
  for (let index = start; index < start + pageSize; index++) {
    const token = tokenIds[index]!;
    low = round(low, token, 0xcc9e2d51);
    high = round(high, token, 0x1b873593);
  }
  return (finalise(high ^ pageSize) >>> 11) * TWO_POW_32 + (finalise(low ^ pageSize) >>> 0);
}

function round(state: number, value: number, multiplier: number): number {
  let k = Math.imul(value, multiplier);
  k = Math.imul((k << 15) | (k >>> 17), 0x85ebca6b);
  state ^= k;
  return (Math.imul((state << 13) | (state >>> 19), 5) + 0xe6546b64) | 0;
}

function finalise(state: number): number {
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35);
  return state ^ (state >>> 16);
}
