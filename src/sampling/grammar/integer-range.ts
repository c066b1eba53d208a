/** The integers of a range, written out digit by digit. */
import { choice, type Expr, NEVER, repeat, sequence, text } from "./grammar.ts";

/** Integers have at most 15 digits: those that every JSON reader takes exactly. */
export const MAX_INTEGER = 10 ** 15 - 1;

/** @param min safe integer, @param max safe integer; what lies beyond 15 digits is left out */
export function integerRange(min: number, max: number): Expr {
  const from = Math.max(min, -MAX_INTEGER);
  const to = Math.min(max, MAX_INTEGER);
  const parts: Expr[] = [];
  if (from < 0 && from <= to) parts.push(sequence(text("-"), naturals(Math.max(1, -to), -from)));
  if (to >= 0 && from <= to) parts.push(naturals(Math.max(0, from), to));
  return parts.length === 0 ? NEVER : choice(...parts);
}

/** Integers from `min` to `max`, both >= 0, by their number of digits. */
function naturals(min: number, max: number): Expr {
  const parts: Expr[] = [];
  for (let length = String(min).length; length <= String(max).length; length++) {
    const low = length === 1 ? 0 : 10 ** (length - 1);
    const from = String(Math.max(min, low));
    const to = String(Math.min(max, 10 ** length - 1));
    parts.push(digits(from, to));
  }
  return choice(...parts);
}

/** Digit strings of one length from `from` to `to`. */
function digits(from: string, to: string): Expr {
  if (from === to) return text(from);
  if (/^0+$/.test(from) && /^9+$/.test(to)) return repeat(digit(0, 9), from.length, from.length);
  const [low, lowRest] = [Number(from[0]), from.slice(1)];
  const [high, highRest] = [Number(to[0]), to.slice(1)];
  if (low === high) return sequence(text(from[0]!), digits(lowRest, highRest));
  if (lowRest === "") return digit(low, high);
  const parts: Expr[] = [sequence(digit(low, low), digits(lowRest, "9".repeat(lowRest.length)))];
  if (high - low > 1)
    parts.push(sequence(digit(low + 1, high - 1), repeat(digit(0, 9), lowRest.length, lowRest.length)));
  parts.push(sequence(digit(high, high), digits("0".repeat(highRest.length), highRest)));
  return choice(...parts);
}

function digit(low: number, high: number): Expr {
  return { kind: "bytes", ranges: [0x30 + low, 0x30 + high] };
}
