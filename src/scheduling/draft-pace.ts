/**
 * How far ahead one answer is guessed: twice as far after a draft that was right, half as far after one that was wrong from the
 * first token on, and after several of those not at all for a while. A wrong guess costs its rows of a step, so text that
 * cannot be guessed must stop costing.
 */

/** Tokens of the first draft. */
const FIRST_LENGTH = 2;
/** Draws without a draft after so many wrong drafts in a row: 1, 3, 7, 15, and 15 from then on. */
const MAX_REST = 15;

/** The pace of one sequence. */
export class DraftPace {
  #length = FIRST_LENGTH;
  #numWrong = 0;
  #rest = 0;

  /** The longest draft that is worth a try at the next draw; 0 for none. */
  get length(): number {
    return this.#rest > 0 ? 0 : this.#length;
  }

  /** @param numTokens of a step's draft; 0 when it went without one */
  record(numTokens: number, numAccepted: number): void {
    if (numTokens === 0) {
      this.#rest = Math.max(0, this.#rest - 1);
      return;
    }
    if (numAccepted === 0) {
      this.#length = Math.max(1, numTokens >> 1);
      this.#rest = Math.min(MAX_REST, 2 ** ++this.#numWrong - 1);
      return;
    }
    this.#numWrong = 0;
    this.#length = numAccepted === numTokens ? Math.max(this.#length, 2 * numTokens) : numAccepted + 1;
  }
}
