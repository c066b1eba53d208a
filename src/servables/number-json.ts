/**
 * JSON whose integers and floats stay apart, which `JSON.parse` and `JSON.stringify` do not do: to a servable 1 is an
 * int32 and 1.0 a float32.
 */
import { TroupeError } from "../errors/troupe-error.ts";

/** A float that looks like an integer once it is parsed: 1.0, 2e3. Every other number is what it looks like. */
export class WholeFloat {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

type SourceReviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown;

/** TypeScript's library does not know the third argument of a reviver yet. */
const parseWithSource = JSON.parse as (text: string, reviver: SourceReviver) => unknown;

const keepFloats: SourceReviver = (_key, value, { source }) =>
  typeof value === "number" && Number.isInteger(value) && source !== undefined && /[.eE]/.test(source)
    ? new WholeFloat(value)
    : value;

/** A text without any of this has no {@link WholeFloat}, and is parsed some twenty times faster. */
const MAY_HAVE_WHOLE_FLOAT = /\d\.0+(?!\d)|\d[eE]\+?\d/;

/** @throws TroupeError `invalid_json` */
export function parseNumberJson(text: string): unknown {
  try {
    return MAY_HAVE_WHOLE_FLOAT.test(text) ? parseWithSource(text, keepFloats) : JSON.parse(text);
  } catch (cause) {
    const reason = cause instanceof SyntaxError ? cause.message : "It is nested too deeply.";
    throw new TroupeError("invalid_json", `Illegal JSON format. ${reason}`, { cause });
  }
}

/** Digits are written out for numbers below 10 to this power, and from 10 to the other one on. */
const MAX_PLAIN_EXPONENT = 15;
const MIN_PLAIN_EXPONENT = -4;

/**
 * A float as nlohmann's JSON library writes it: the shortest digits that give the same double, always with a point or
 * an exponent, null for what JSON has no number for.
 *
 * @example
 * ```ts
 * floatText(3); // "3.0"
 * floatText(1e20); // "1e+20"
 * ```
 */
export function floatText(value: number): string {
  if (!Number.isFinite(value)) return "null";
  if (value === 0) return Object.is(value, -0) ? "-0.0" : "0.0";
  const [mantissa = "", exponentText = "0"] = Math.abs(value).toExponential().split("e");
  const sign = value < 0 ? "-" : "";
  const digits = mantissa.replace(".", "");
  const point = Number(exponentText) + 1;
  if (point > MAX_PLAIN_EXPONENT || point <= MIN_PLAIN_EXPONENT) {
    const power = String(Math.abs(point - 1)).padStart(2, "0");
    return `${sign}${mantissa}e${point > 0 ? "+" : "-"}${power}`;
  }
  if (point <= 0) return `${sign}0.${"0".repeat(-point)}${digits}`;
  if (digits.length <= point) return `${sign}${digits.padEnd(point, "0")}.0`;
  return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
}
