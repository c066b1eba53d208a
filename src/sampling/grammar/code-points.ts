/**
 * Sets of Unicode characters, and their UTF-8 bytes as an expression. Surrogates are no characters: UTF-8 has none.
 *
 * The cutting into byte ranges is that of Cox, "Regular expression matching in the wild" (2010), as in utf8-ranges.
 */
import { choice, type Expr, NEVER, sequence } from "./grammar.ts";

/** First and last code point. */
export type CodePointRange = readonly [first: number, last: number];

/** Every character. */
export const ANY_CHARACTER: readonly CodePointRange[] = [
  [0, 0xd7ff],
  [0xe000, 0x10ffff],
];

/** Sorted, without overlaps. */
export function union(ranges: readonly CodePointRange[]): CodePointRange[] {
  const merged: [number, number][] = [];
  for (const [first, last] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const previous = merged.at(-1);
    if (previous !== undefined && first <= previous[1] + 1) previous[1] = Math.max(previous[1], last);
    else merged.push([first, last]);
  }
  return merged;
}

/** The characters that are in none of the ranges. */
export function complement(ranges: readonly CodePointRange[]): CodePointRange[] {
  const left: CodePointRange[] = [];
  let next = 0;
  for (const [first, last] of union(ranges)) {
    if (first > next) left.push([next, first - 1]);
    next = Math.max(next, last + 1);
  }
  if (next <= 0x10ffff) left.push([next, 0x10ffff]);
  return intersect(left, ANY_CHARACTER);
}

/** The characters that are in both. */
export function intersect(a: readonly CodePointRange[], b: readonly CodePointRange[]): CodePointRange[] {
  return union(
    a.flatMap(([firstA, lastA]) =>
      b.flatMap(([firstB, lastB]): CodePointRange[] => {
        const first = Math.max(firstA, firstB);
        const last = Math.min(lastA, lastB);
        return first <= last ? [[first, last]] : [];
      }),
    ),
  );
}

/** One character of the ranges, in UTF-8. */
export function utf8Of(ranges: readonly CodePointRange[]): Expr {
  const single: number[] = [];
  const longer: Expr[] = [];
  for (const [first, last] of intersect(ranges, ANY_CHARACTER)) {
    for (const [from, to] of cutByLength(first, last)) {
      if (to < 0x80) single.push(from, to);
      else longer.push(...byteSequences([...encode(from)], [...encode(to)]));
    }
  }
  const items: Expr[] = single.length > 0 ? [{ kind: "bytes", ranges: single }, ...longer] : longer;
  return items.length === 0 ? NEVER : choice(...items);
}

const LENGTH_LIMITS = [0x7f, 0x7ff, 0xffff, 0x10ffff];

function cutByLength(first: number, last: number): CodePointRange[] {
  return LENGTH_LIMITS.flatMap((limit, index) =>
    intersect([[first, last]], [[(LENGTH_LIMITS[index - 1] ?? -1) + 1, limit]]),
  );
}

function encode(codePoint: number): Buffer {
  return Buffer.from(String.fromCodePoint(codePoint), "utf8");
}

/** Byte strings of equal length from `from` to `to`, every byte behind the first a continuation byte. */
function byteSequences(from: readonly number[], to: readonly number[]): Expr[] {
  const [low, ...lowRest] = from as [number, ...number[]];
  const [high, ...highRest] = to as [number, ...number[]];
  if (lowRest.length === 0) return [byteRange(low, high)];
  const lowest = lowRest.map(() => 0x80);
  const highest = lowRest.map(() => 0xbf);
  if (low === high)
    return byteSequences(lowRest, highRest).map((rest) => sequence(byteRange(low, low), rest));
  const startsWhole = lowRest.every((byte) => byte === 0x80);
  const endsWhole = highRest.every((byte) => byte === 0xbf);
  const whole = [low + (startsWhole ? 0 : 1), high - (endsWhole ? 0 : 1)] as const;
  return [
    ...(startsWhole ? [] : byteSequences(from, [low, ...highest])),
    ...(whole[0] > whole[1]
      ? []
      : [sequence(byteRange(...whole), ...lowest.map(() => byteRange(0x80, 0xbf)))]),
    ...(endsWhole ? [] : byteSequences([high, ...lowest], to)),
  ];
}

function byteRange(first: number, last: number): Expr {
  return { kind: "bytes", ranges: [first, last] };
}
