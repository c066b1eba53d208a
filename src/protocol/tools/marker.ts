/** Waits for a mark in a text that comes character by character; holds back what may be its beginning. */

/** What became of a character: text that is no mark, and whether the mark is complete. */
export interface MarkerResult {
  readonly text: string;
  readonly isFound: boolean;
}

/** See the module header. */
export class Marker {
  readonly #mark: string;
  #held = "";

  constructor(mark: string) {
    this.#mark = mark;
  }

  push(char: string): MarkerResult {
    let held = this.#held + char;
    let text = "";
    while (!this.#mark.startsWith(held)) {
      text += held[0];
      held = held.slice(1);
    }
    const isFound = held === this.#mark;
    this.#held = isFound ? "" : held;
    return { text, isFound };
  }

  /** What is held; it is no mark after all. */
  release(): string {
    const held = this.#held;
    this.#held = "";
    return held;
  }
}
