/** Reads a text character by character; what the parsers of regular expressions and EBNF share. */
import { refuseGrammar } from "./refuse-grammar.ts";

/** See the module header. Positions count characters, not UTF-16 units. */
export class TextCursor {
  readonly #chars: readonly string[];
  readonly #param: string;
  #position = 0;

  /** @param param the request's field, for errors */
  constructor(source: string, param: string) {
    this.#chars = [...source];
    this.#param = param;
  }

  get isAtEnd(): boolean {
    return this.#position >= this.#chars.length;
  }

  /** The next character, or the one `ahead` behind it; empty at the end. */
  peek(ahead = 0): string {
    return this.#chars[this.#position + ahead] ?? "";
  }

  /** Takes the next character. */
  take(): string {
    const char = this.peek();
    if (char === "") this.fail("it ends too early");
    this.#position++;
    return char;
  }

  /** Takes `text` if it is next. */
  takeIf(text: string): boolean {
    const isNext = [...text].every((char, index) => this.peek(index) === char);
    if (isNext) this.#position += [...text].length;
    return isNext;
  }

  /** Takes characters while they match. */
  takeWhile(pattern: RegExp): string {
    let taken = "";
    while (!this.isAtEnd && pattern.test(this.peek())) taken += this.take();
    return taken;
  }

  /** Takes exactly `numDigits` hexadecimal digits. */
  takeHex(numDigits: number): number {
    let digits = "";
    for (let i = 0; i < numDigits; i++) digits += this.take();
    if (!/^[0-9a-fA-F]+$/.test(digits)) this.fail(`"${digits}" is not hexadecimal`);
    return Number.parseInt(digits, 16);
  }

  /** Moves back to an earlier position. */
  get position(): number {
    return this.#position;
  }

  set position(position: number) {
    this.#position = position;
  }

  /** @throws TroupeError `invalid_request` with the position */
  fail(problem: string): never {
    refuseGrammar(this.#param, `${problem} (at character ${this.#position + 1}).`);
  }
}
