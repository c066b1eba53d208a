/**
 * A doubly linked list of page numbers over two flat arrays: push, pop and removal from the middle in O(1), without an
 * allocation. The least recently used page is at the front.
 *
 *     sentinel ⇄ oldest ⇄ ... ⇄ newest ⇄ sentinel
 */
import { invariant } from "../errors/troupe-error.ts";

const ABSENT = -1;

/**
 * @example
 * ```ts
 * const list = new PageList(8);
 * list.pushBack(3);
 * list.pushBack(5);
 * list.popFront(); // 3
 * ```
 */
export class PageList {
  readonly #next: Int32Array; // [numPages + 1], the last entry is the sentinel's
  readonly #previous: Int32Array; // [numPages + 1]
  readonly #sentinel: number;
  #size = 0;

  constructor(numPages: number) {
    this.#sentinel = numPages;
    this.#next = new Int32Array(numPages + 1).fill(ABSENT);
    this.#previous = new Int32Array(numPages + 1).fill(ABSENT);
    this.#next[numPages] = numPages;
    this.#previous[numPages] = numPages;
  }

  get size(): number {
    return this.#size;
  }

  /** @throws TroupeError `internal` when the page is already listed */
  pushBack(page: number): void {
    invariant(this.#next[page] === ABSENT, `page ${page} is already listed`);
    const last = this.#previous[this.#sentinel]!;
    this.#link(last, page);
    this.#link(page, this.#sentinel);
    this.#size++;
  }

  /** @throws TroupeError `internal` when the page is not listed */
  remove(page: number): void {
    invariant(this.#next[page] !== ABSENT && page !== this.#sentinel, `page ${page} is not listed`);
    this.#link(this.#previous[page]!, this.#next[page]!);
    this.#next[page] = ABSENT;
    this.#previous[page] = ABSENT;
    this.#size--;
  }

  /** @throws TroupeError `internal` when the list is empty */
  popFront(): number {
    const page = this.#next[this.#sentinel]!;
    invariant(this.#size > 0, "popFront of an empty page list");
    this.remove(page);
    return page;
  }

  #link(left: number, right: number): void {
    this.#next[left] = right;
    this.#previous[right] = left;
  }
}
