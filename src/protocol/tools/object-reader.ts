/** Finds the end of a JSON object that comes character by character, without reading it. */

/** Begins at the opening brace. */
export class ObjectReader {
  #depth = 0;
  #isInString = false;
  #isEscaped = false;

  /** @returns the object is complete with this character */
  push(char: string): boolean {
    if (this.#isInString) {
      if (this.#isEscaped) this.#isEscaped = false;
      else if (char === "\\") this.#isEscaped = true;
      else if (char === '"') this.#isInString = false;
      return false;
    }
    if (char === '"') this.#isInString = true;
    if (char === "{" || char === "[") this.#depth++;
    if (char === "}" || char === "]") this.#depth--;
    return this.#depth === 0;
  }
}
