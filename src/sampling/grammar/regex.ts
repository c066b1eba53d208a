/**
 * Regular expressions (the common part of JavaScript, Python and JSON schema) as expressions. What needs to look beyond
 * the characters it matches is refused: look-around, back references, word boundaries.
 */
import { ANY_CHARACTER, type CodePointRange, complement, union } from "./code-points.ts";
import { choice, EMPTY, type Expr, repeat, sequence } from "./grammar.ts";
import { refuseGrammar } from "./refuse-grammar.ts";
import { CLASS_ESCAPES, CONTROL_ESCAPES, DOT } from "./regex-classes.ts";
import { TextCursor } from "./text-cursor.ts";

/** How a regular expression is read. */
export interface RegexOptions {
  /** The request's field, for errors. */
  readonly param: string;
  /** One character of the ranges as bytes: plain UTF-8, or as it stands in a JSON string. */
  readonly encode: (ranges: readonly CodePointRange[]) => Expr;
  /** `whole` matches all of the text, `search` a part of it unless anchored, as `pattern` of JSON schema. */
  readonly mode: "whole" | "search";
}

const MAX_LENGTH = 8192;
const MAX_DEPTH = 100;
/** The largest count in braces. */
const MAX_COUNT = 100_000;

/** @throws TroupeError `invalid_request` naming what is not supported or not valid, and where */
export function regexExpr(source: string, options: RegexOptions): Expr {
  if (source.length > MAX_LENGTH)
    refuseGrammar(options.param, `the pattern has ${source.length} characters; the limit is ${MAX_LENGTH}.`);
  return new RegexParser(source, options).parse();
}

class RegexParser {
  readonly #cursor: TextCursor;
  readonly #encode: RegexOptions["encode"];
  readonly #anything: Expr;
  #depth = 0;

  constructor(source: string, { param, encode, mode }: RegexOptions) {
    this.#cursor = new TextCursor(source, param);
    this.#encode = encode;
    this.#anything = mode === "search" ? repeat(encode(ANY_CHARACTER), 0, null) : EMPTY;
  }

  parse(): Expr {
    const alternatives: Expr[] = [];
    do {
      const isFromStart = this.#takeAll("^");
      const items = this.#sequence();
      const isToEnd = this.#takeAll("$");
      const before = isFromStart ? EMPTY : this.#anything;
      alternatives.push(sequence(before, ...items, isToEnd ? EMPTY : this.#anything));
    } while (this.#cursor.takeIf("|"));
    if (!this.#cursor.isAtEnd) this.#cursor.fail(this.#unexpected());
    return choice(...alternatives);
  }

  #takeAll(anchor: string): boolean {
    let isThere = false;
    while (this.#cursor.takeIf(anchor)) isThere = true;
    return isThere;
  }

  #unexpected(): string {
    const char = this.#cursor.peek();
    if (char === "^" || char === "$")
      return `"${char}" is supported only at the start and the end of the pattern or of an alternative outside brackets`;
    return `"${char}" is not expected here`;
  }

  #alternatives(): Expr {
    if (++this.#depth > MAX_DEPTH) this.#cursor.fail(`groups nest more than ${MAX_DEPTH} deep`);
    const alternatives: Expr[] = [];
    do alternatives.push(sequence(...this.#sequence()));
    while (this.#cursor.takeIf("|"));
    this.#depth--;
    return choice(...alternatives);
  }

  #sequence(): Expr[] {
    const items: Expr[] = [];
    while (!this.#cursor.isAtEnd && !"|)^$".includes(this.#cursor.peek())) items.push(this.#quantified());
    return items;
  }

  #quantified(): Expr {
    const atom = this.#atom();
    const cursor = this.#cursor;
    const counts = this.#quantifier();
    if (counts === null) return atom;
    // Lazy or greedy, the same texts match.
    cursor.takeIf("?");
    if ("*+?{".includes(cursor.peek() || " ") && this.#quantifier() !== null)
      cursor.fail("a quantifier follows a quantifier");
    return repeat(atom, ...counts);
  }

  #quantifier(): [min: number, max: number | null] | null {
    const cursor = this.#cursor;
    if (cursor.takeIf("*")) return [0, null];
    if (cursor.takeIf("+")) return [1, null];
    if (cursor.takeIf("?")) return [0, 1];
    return cursor.peek() === "{" && /\d/.test(cursor.peek(1)) ? readCounts(cursor) : null;
  }

  #atom(): Expr {
    const cursor = this.#cursor;
    const char = cursor.take();
    if (char === "(") return this.#group();
    if (char === "[") return this.#encode(this.#class());
    if (char === ".") return this.#encode(DOT);
    if (char === "\\") return this.#encode(this.#escape());
    if ("*+?".includes(char)) cursor.fail(`"${char}" has nothing to repeat`);
    return this.#encode([charRange(char)]);
  }

  #group(): Expr {
    const cursor = this.#cursor;
    if (cursor.takeIf("?") && !cursor.takeIf(":")) {
      const isNamed = cursor.takeIf("P<") || (cursor.peek() === "<" && !"=!".includes(cursor.peek(1)));
      if (!isNamed) cursor.fail(`"(?${cursor.peek()}" is not supported: no look-around, flags or conditions`);
      cursor.takeIf("<");
      cursor.takeWhile(/[^>]/);
      cursor.take();
    }
    const inner = this.#alternatives();
    if (!cursor.takeIf(")")) cursor.fail(cursor.isAtEnd ? 'a ")" is missing' : this.#unexpected());
    return inner;
  }

  #class(): CodePointRange[] {
    const cursor = this.#cursor;
    const isNegated = cursor.takeIf("^");
    const ranges: CodePointRange[] = [];
    while (!cursor.takeIf("]")) {
      const first = this.#classItem();
      const isRange = cursor.peek() === "-" && cursor.peek(1) !== "]" && cursor.peek(1) !== "";
      if (!isRange) {
        ranges.push(...first);
        continue;
      }
      cursor.take();
      ranges.push(rangeBetween(first, this.#classItem(), cursor));
    }
    return isNegated ? complement(ranges) : union(ranges);
  }

  #classItem(): readonly CodePointRange[] {
    const char = this.#cursor.take();
    if (char !== "\\") return [charRange(char)];
    if (this.#cursor.takeIf("b")) return [[8, 8]];
    return this.#escape();
  }

  #escape(): readonly CodePointRange[] {
    const cursor = this.#cursor;
    const char = cursor.take();
    const named = CLASS_ESCAPES[char];
    if (named !== undefined) return named;
    const control = CONTROL_ESCAPES[char];
    if (control !== undefined && !/\d/.test(char === "0" ? cursor.peek() : "")) return [[control, control]];
    if (char === "x") return [single(cursor.takeHex(2))];
    if (char === "u") return [single(this.#unicodeEscape())];
    if (/[0-9A-Za-z]/.test(char)) cursor.fail(`"\\${char}" is not supported`);
    return [charRange(char)];
  }

  #unicodeEscape(): number {
    const cursor = this.#cursor;
    if (cursor.takeIf("{")) {
      const value = Number.parseInt(cursor.takeWhile(/[0-9a-fA-F]/), 16);
      if (!cursor.takeIf("}") || !(value <= 0x10ffff)) cursor.fail("the \\u{...} is no character");
      return value;
    }
    const high = cursor.takeHex(4);
    if (high < 0xd800 || high > 0xdbff || !cursor.takeIf("\\u")) return high;
    const low = cursor.takeHex(4);
    return 0x10000 + (high - 0xd800) * 0x400 + (low - 0xdc00);
  }
}

/** Reads `{2}`, `{2,}` or `{2,5}`. */
export function readCounts(cursor: TextCursor): [min: number, max: number | null] {
  cursor.take();
  const min = Number(cursor.takeWhile(/\d/) || "0");
  const hasComma = cursor.takeIf(",");
  const digits = hasComma ? cursor.takeWhile(/\d/) : String(min);
  const max = digits === "" ? null : Number(digits);
  if (!cursor.takeIf("}")) cursor.fail('a "}" is missing');
  if (Math.max(min, max ?? 0) > MAX_COUNT) cursor.fail(`a count is over ${MAX_COUNT}`);
  if (max !== null && max < min) cursor.fail(`{${min},${max}} counts down`);
  return [min, max];
}

/** @throws TroupeError `invalid_request` unless both ends are single characters in order */
export function rangeBetween(
  first: readonly CodePointRange[],
  last: readonly CodePointRange[],
  cursor: TextCursor,
): CodePointRange {
  const [from, to] = [first[0], last[0]];
  const isSingle = (ranges: readonly CodePointRange[]): boolean =>
    ranges.length === 1 && ranges[0]![0] === ranges[0]![1];
  if (from === undefined || to === undefined || !isSingle(first) || !isSingle(last) || to[0] < from[0])
    cursor.fail("the range in brackets is not valid");
  return [from[0], to[0]];
}

function charRange(char: string): CodePointRange {
  return single(char.codePointAt(0)!);
}

function single(codePoint: number): CodePointRange {
  return [codePoint, codePoint];
}
