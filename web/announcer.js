/**
 * Reads an answer to a screen reader sentence by sentence: token by token would be noise, and the whole answer at its
 * end would come too late.
 */
const SENTENCE = /^[\s\S]*?[.!?:](?:\s|$)|^[\s\S]*?\n/;

export class Announcer {
  #region;
  #pending = "";

  /** @param region a visually hidden element with aria-live */
  constructor(region) {
    this.#region = region;
  }

  /** Says a notice at once. */
  say(text) {
    const line = document.createElement("p");
    line.textContent = text;
    this.#region.append(line);
    // what was said long ago need not stay
    while (this.#region.childElementCount > 30) this.#region.firstElementChild.remove();
  }

  /** Takes the next piece of an answer. */
  add(text) {
    this.#pending += text;
    for (let found = SENTENCE.exec(this.#pending); found !== null; found = SENTENCE.exec(this.#pending)) {
      this.#pending = this.#pending.slice(found[0].length);
      if (found[0].trim() !== "") this.say(found[0].trim());
    }
  }

  /** The answer is over: says what is left of it. */
  flush() {
    const rest = this.#pending.trim();
    this.#pending = "";
    if (rest !== "") this.say(rest);
  }
}
