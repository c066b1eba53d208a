/**
 * Grammars in EBNF as llama.cpp (GBNF) and xgrammar write them: `root ::= "a" digit+ | [^b-d]{2,3}  # comment`. The answer
 * is a match of `root`.
 */
import { type CodePointRange, complement, union, utf8Of } from "./code-points.ts";
import { choice, type Expr, repeat, sequence, text } from "./grammar.ts";
import { refuseGrammar } from "./refuse-grammar.ts";
import { rangeBetween, readCounts } from "./regex.ts";
import { DOT } from "./regex-classes.ts";
import type { RuleSet } from "./rule-set.ts";
import { TextCursor } from "./text-cursor.ts";

const MAX_LENGTH = 65_536;
const MAX_DEPTH = 100;
const NAME = /[A-Za-z0-9_-]/;
const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t" };

/** @throws TroupeError `invalid_request` naming what is wrong and where */
export function ebnfExpr(source: string, rules: RuleSet, param: string): Expr {
  if (source.length > MAX_LENGTH)
    refuseGrammar(param, `the grammar has ${source.length} characters; the limit is ${MAX_LENGTH}.`);
  return new EbnfParser(source, rules, param).parse();
}

class EbnfParser {
  readonly #cursor: TextCursor;
  readonly #rules: RuleSet;
  readonly #param: string;
  #depth = 0;

  constructor(source: string, rules: RuleSet, param: string) {
    this.#cursor = new TextCursor(source, param);
    this.#rules = rules;
    this.#param = param;
  }

  parse(): Expr {
    const root = this.#rules.reference("root");
    this.#skip();
    while (!this.#cursor.isAtEnd) this.#rule();
    // The rule of the whole answer is on its way.
    const missing = this.#rules.undefinedNames.filter((name) => NAME.test(name[0]!));
    if (missing.length > 0) refuseGrammar(this.#param, `the rule "${missing[0]}" is not defined.`);
    return root;
  }

  #rule(): void {
    const name = this.#cursor.takeWhile(NAME);
    if (name === "") this.#cursor.fail(`a rule such as \`root ::= "text"\` is expected`);
    this.#skip();
    if (!this.#cursor.takeIf("::=")) this.#cursor.fail(`"::=" is expected behind "${name}"`);
    const expr = this.#alternatives();
    if (!this.#rules.define(name, expr)) this.#cursor.fail(`the rule "${name}" is defined twice`);
  }

  #alternatives(): Expr {
    if (++this.#depth > MAX_DEPTH) this.#cursor.fail(`groups nest more than ${MAX_DEPTH} deep`);
    const alternatives: Expr[] = [];
    do {
      this.#skip();
      alternatives.push(this.#sequence());
    } while (this.#cursor.takeIf("|"));
    this.#depth--;
    return choice(...alternatives);
  }

  #sequence(): Expr {
    const items: Expr[] = [];
    for (let atom = this.#atom(); atom !== null; atom = this.#atom()) {
      items.push(this.#quantified(atom));
      this.#skip();
    }
    return sequence(...items);
  }

  #quantified(atom: Expr): Expr {
    const cursor = this.#cursor;
    if (cursor.takeIf("*")) return repeat(atom, 0, null);
    if (cursor.takeIf("+")) return repeat(atom, 1, null);
    if (cursor.takeIf("?")) return repeat(atom, 0, 1);
    return cursor.peek() === "{" ? repeat(atom, ...readCounts(cursor)) : atom;
  }

  /** Null where the sequence ends. */
  #atom(): Expr | null {
    const cursor = this.#cursor;
    if (cursor.peek() === '"') return text(this.#literal());
    if (cursor.peek() === "[") return utf8Of(this.#class());
    if (cursor.takeIf(".")) return utf8Of(DOT);
    if (cursor.takeIf("(")) {
      const inner = this.#alternatives();
      if (!cursor.takeIf(")")) cursor.fail('a ")" is missing');
      return inner;
    }
    const start = cursor.position;
    const name = cursor.takeWhile(NAME);
    if (name === "") {
      if (!cursor.isAtEnd && !"|)".includes(cursor.peek()))
        cursor.fail(`"${cursor.peek()}" is not expected here`);
      return null;
    }
    // A name and "::=" begin the next rule.
    const end = cursor.position;
    this.#skip();
    const isNextRule = cursor.peek() === ":" && cursor.peek(1) === ":";
    cursor.position = isNextRule ? start : end;
    return isNextRule ? null : this.#rules.reference(name);
  }

  #literal(): string {
    const cursor = this.#cursor;
    cursor.take();
    let content = "";
    while (!cursor.takeIf('"')) content += this.#char();
    if (!content.isWellFormed()) cursor.fail("half a surrogate pair is no character");
    return content;
  }

  #class(): CodePointRange[] {
    const cursor = this.#cursor;
    cursor.take();
    const isNegated = cursor.takeIf("^");
    const ranges: CodePointRange[] = [];
    while (!cursor.takeIf("]")) {
      const first = pointRange(this.#char());
      const isRange = cursor.peek() === "-" && cursor.peek(1) !== "]";
      if (isRange) cursor.take();
      ranges.push(isRange ? rangeBetween([first], [pointRange(this.#char())], cursor) : first);
    }
    return isNegated ? complement(ranges) : union(ranges);
  }

  #char(): string {
    const cursor = this.#cursor;
    const char = cursor.take();
    if (char !== "\\") return char;
    const letter = cursor.take();
    const numDigits = { x: 2, u: 4, U: 8 }[letter];
    if (numDigits === undefined) {
      if (/[A-Za-z0-9]/.test(letter) && ESCAPES[letter] === undefined)
        cursor.fail(`"\\${letter}" is not supported`);
      return ESCAPES[letter] ?? letter;
    }
    const codePoint = cursor.takeHex(numDigits);
    if (codePoint > 0x10ffff) cursor.fail("the escape is no character");
    return String.fromCodePoint(codePoint);
  }

  /** White space and comments. */
  #skip(): void {
    do this.#cursor.takeWhile(/\s/);
    while (this.#cursor.peek() === "#" && this.#cursor.takeWhile(/[^\n]/) !== "");
  }
}

function pointRange(char: string): CodePointRange {
  return [char.codePointAt(0)!, char.codePointAt(0)!];
}
