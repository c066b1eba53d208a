/** Keyword arguments of a Python call as values: `city='Paris', days=3)`. */

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

const ESCAPES: Readonly<Record<string, string>> = {
  n: "\n",
  t: "\t",
  r: "\r",
  "\\": "\\",
  "'": "'",
  '"': '"',
};
const WORDS: Readonly<Record<string, Json>> = {
  True: true,
  False: false,
  None: null,
  true: true,
  false: false,
  null: null,
};

/** Thrown inside, when the text is no call. */
const NO_CALL = Symbol("no call");

/**
 * @param source what stands behind the opening bracket, the closing one included
 * @returns null when it is no complete list of keyword arguments
 */
export function keywordArguments(source: string): Readonly<Record<string, Json>> | null {
  try {
    return new PythonReader(source).keywords();
  } catch (error) {
    if (error === NO_CALL) return null;
    throw error;
  }
}

class PythonReader {
  readonly #source: string;
  #position = 0;

  constructor(source: string) {
    this.#source = source;
  }

  keywords(): Record<string, Json> {
    const values: Record<string, Json> = {};
    while (!this.#takeIf(")")) {
      const name = this.#match(/[A-Za-z_]\w*/y);
      this.#expect("=");
      Object.defineProperty(values, name, { value: this.#value(), enumerable: true, configurable: true });
      if (!this.#takeIf(",") && this.#peek() !== ")") throw NO_CALL;
    }
    this.#match(/$/y);
    return values;
  }

  #value(): Json {
    const char = this.#peek();
    if (char === "'" || char === '"') return this.#string(char);
    if (this.#takeIf("[")) return this.#list("]");
    if (this.#takeIf("(")) return this.#list(")");
    if (this.#takeIf("{")) return this.#dictionary();
    const word = this.#match(/[-+]?[\w.]+(?:[eE][-+]?\d+)?/y);
    if (Object.hasOwn(WORDS, word)) return WORDS[word]!;
    const number = Number(word);
    if (!Number.isFinite(number)) throw NO_CALL;
    return number;
  }

  #list(end: string): Json {
    const items: Json[] = [];
    while (!this.#takeIf(end)) {
      items.push(this.#value());
      if (!this.#takeIf(",") && this.#peek() !== end) throw NO_CALL;
    }
    return items;
  }

  #dictionary(): Json {
    const entries: [string, Json][] = [];
    while (!this.#takeIf("}")) {
      const key = this.#value();
      this.#expect(":");
      entries.push([String(key), this.#value()]);
      if (!this.#takeIf(",") && this.#peek() !== "}") throw NO_CALL;
    }
    return Object.fromEntries(entries);
  }

  #string(quote: string): string {
    this.#expect(quote);
    let content = "";
    for (;;) {
      const char = this.#source[this.#position++];
      if (char === undefined) throw NO_CALL;
      if (char === quote) return content;
      if (char !== "\\") content += char;
      else {
        const escaped = this.#source[this.#position++] ?? "";
        content += ESCAPES[escaped] ?? `\\${escaped}`;
      }
    }
  }

  #match(pattern: RegExp): string {
    this.#skip();
    pattern.lastIndex = this.#position;
    const found = pattern.exec(this.#source)?.[0];
    if (found === undefined) throw NO_CALL;
    this.#position += found.length;
    return found;
  }

  #expect(text: string): void {
    if (!this.#takeIf(text)) throw NO_CALL;
  }

  #takeIf(text: string): boolean {
    if (this.#peek() !== text) return false;
    this.#position++;
    return true;
  }

  #peek(): string {
    this.#skip();
    return this.#source[this.#position] ?? "";
  }

  #skip(): void {
    while (/\s/.test(this.#source[this.#position] ?? "")) this.#position++;
  }
}
