/**
 * JSON as text: what every schema is made of. White space and digits are bounded, so that no answer is filled with them:
 * between tokens one space, or a line break and up to 32 spaces; up to 15 digits before and behind the point.
 */
import { type CodePointRange, complement, intersect, utf8Of } from "./code-points.ts";
import { choice, type Expr, NEVER, optional, repeat, sequence, text } from "./grammar.ts";
import type { RuleSet } from "./rule-set.ts";

const MUST_ESCAPE: readonly CodePointRange[] = [
  [0x00, 0x1f],
  [0x22, 0x22],
  [0x5c, 0x5c],
];
const PLAIN = complement(MUST_ESCAPE);
const SHORT_ESCAPES = new Map([
  [0x22, '\\"'],
  [0x5c, "\\\\"],
  [0x08, "\\b"],
  [0x0c, "\\f"],
  [0x0a, "\\n"],
  [0x0d, "\\r"],
  [0x09, "\\t"],
]);

const oneOf = (chars: string): Expr =>
  utf8Of([...chars].map((char) => [char.charCodeAt(0), char.charCodeAt(0)]));
const bytes = (...ranges: readonly number[]): Expr => ({ kind: "bytes", ranges });
const hex = (numDigits: number): Expr =>
  repeat(bytes(0x30, 0x39, 0x41, 0x46, 0x61, 0x66), numDigits, numDigits);

/** Characters 0 to 9. */
export const DIGIT: Expr = bytes(0x30, 0x39);
export const SPACE: Expr = optional(choice(text(" "), sequence(text("\n"), repeat(text(" "), 0, 32))));

/** One character of a string as it may stand between the quotes; a pair of surrogates is one character. */
export const STRING_CHARACTER: Expr = choice(
  utf8Of(PLAIN),
  sequence(
    text("\\"),
    choice(
      oneOf('"\\/bfnrt'),
      sequence(text("u"), oneOf("0123456789abcefABCEF"), hex(3)),
      sequence(text("u"), oneOf("dD"), oneOf("01234567"), hex(2)),
      sequence(
        text("u"),
        oneOf("dD"),
        oneOf("89abAB"),
        hex(2),
        text("\\u"),
        oneOf("dD"),
        oneOf("cdefCDEF"),
        hex(2),
      ),
    ),
  ),
);

/** A character of the ranges as it stands in a string: escaped where it must be, and only there. */
export function inString(ranges: readonly CodePointRange[]): Expr {
  const plain = utf8Of(intersect(ranges, PLAIN));
  const escaped = intersect(ranges, MUST_ESCAPE).flatMap(([first, last]) =>
    Array.from({ length: last - first + 1 }, (_, offset) => text(escapeOf(first + offset))),
  );
  return escaped.length === 0 ? plain : choice(...(plain === NEVER ? [] : [plain]), ...escaped);
}

function escapeOf(codePoint: number): string {
  return SHORT_ESCAPES.get(codePoint) ?? `\\u${codePoint.toString(16).padStart(4, "0")}`;
}

/** @param content what stands between the quotes */
export function quoted(content: Expr): Expr {
  return sequence(text('"'), content, text('"'));
}

export const STRING: Expr = quoted(repeat(STRING_CHARACTER, 0, null));

const NATURAL = choice(text("0"), sequence(bytes(0x31, 0x39), repeat(DIGIT, 0, 14)));
export const INTEGER: Expr = sequence(optional(text("-")), NATURAL);
export const NUMBER: Expr = sequence(
  INTEGER,
  optional(sequence(text("."), repeat(DIGIT, 1, 15))),
  optional(sequence(oneOf("eE"), optional(oneOf("+-")), repeat(DIGIT, 1, 2))),
);
export const BOOLEAN: Expr = choice(text("true"), text("false"));
export const NULL: Expr = text("null");

/** `"key": value`. */
export function member(key: Expr, value: Expr): Expr {
  return sequence(key, text(":"), SPACE, value);
}

/** What stands between two members or elements. */
export const COMMA: Expr = sequence(text(","), SPACE);

/** @param content members, without the braces */
export function braces(content: Expr): Expr {
  return sequence(text("{"), SPACE, content, SPACE, text("}"));
}

/** @param content elements, without the brackets */
export function brackets(content: Expr): Expr {
  return sequence(text("["), SPACE, content, SPACE, text("]"));
}

/** `item`, any number of times, with commas. */
export function commaList(item: Expr): Expr {
  return optional(sequence(item, repeat(sequence(COMMA, item), 0, null)));
}

/** Any value. */
export function anyValue(rules: RuleSet): Expr {
  return rules.once("any value", () =>
    choice(STRING, NUMBER, BOOLEAN, NULL, anyObject(rules), anyArray(rules)),
  );
}

/** Any object. */
export function anyObject(rules: RuleSet): Expr {
  return rules.once("any object", () => braces(commaList(member(STRING, anyValue(rules)))));
}

/** Any array. */
export function anyArray(rules: RuleSet): Expr {
  return rules.once("any array", () => brackets(commaList(anyValue(rules))));
}
