/**
 * The pages of one sequence, in order: position p lies in page table[p / pageSize], slot p % pageSize. Tables may share
 * pages; whoever writes into a shared one gets a copy first, so a write is never seen by another sequence.
 */
import { invariant } from "../errors/troupe-error.ts";
import type { BlockPool, OwnerId, PageNumber } from "./block-pool.ts";

/**
 * A growing list of pages, leased from the pool under one owner.
 *
 * @example
 * ```ts
 * const table = new BlockTable(pool, 16, 1);
 * const copies: number[] = [];
 * table.reserve(0, 20, copies); // pages for positions 0 to 19: two of them
 * const other = table.fork(2); // shares both
 * other.reserve(20, 21, copies); // copies is now [page 1 of table, page 1 of other]
 * ```
 */
export class BlockTable {
  readonly owner: OwnerId;
  readonly pageSize: number;
  readonly #pool: BlockPool;
  readonly #pages: PageNumber[] = [];

  constructor(pool: BlockPool, pageSize: number, owner: OwnerId) {
    this.#pool = pool;
    this.pageSize = pageSize;
    this.owner = owner;
  }

  get numPages(): number {
    return this.#pages.length;
  }

  /** The page of position index * pageSize and those after it. */
  page(index: number): PageNumber {
    const page = this.#pages[index];
    invariant(page !== undefined, `block table of owner ${this.owner} has no page ${index}`);
    return page;
  }

  /** Writes the first `numPages` page numbers to `target`, from `offset` on. */
  writeTo(target: Int32Array, offset: number, numPages: number): void {
    invariant(numPages <= this.#pages.length, "a block table shorter than asked for");
    for (let index = 0; index < numPages; index++) target[offset + index] = this.#pages[index]!;
  }

  /** Appends a page that others hold or the pool keeps cached. */
  share(page: PageNumber): void {
    this.#pool.retain(page, this.owner);
    this.#pages.push(page);
  }

  /** Pages that `reserve` of the same positions would take from the pool. */
  numPagesToReserve(start: number, end: number): number {
    let count = Math.max(0, Math.ceil(end / this.pageSize) - this.#pages.length);
    for (let index = Math.floor(start / this.pageSize); index < this.#lastWritten(end); index++)
      if (this.#pool.refCount(this.#pages[index]!) > 1) count++;
    return count;
  }

  /**
   * Makes positions start to end - 1 writable: pages of this table alone, old content kept. All or nothing.
   *
   * @param copies pairs (from, to) of pages to copy, in order, before anything is written, are appended here
   * @returns false when the pool has too few free pages; then nothing has changed
   */
  reserve(start: number, end: number, copies: number[]): boolean {
    if (this.numPagesToReserve(start, end) > this.#pool.numFree) return false;
    for (let index = Math.floor(start / this.pageSize); index < this.#lastWritten(end); index++) {
      const shared = this.#pages[index]!;
      if (this.#pool.refCount(shared) === 1) continue;
      const own = this.#pool.allocate(this.owner);
      copies.push(shared, own);
      this.#pages[index] = own;
      this.#pool.release(shared, this.owner);
    }
    while (this.#pages.length * this.pageSize < end) this.#pages.push(this.#pool.allocate(this.owner));
    return true;
  }

  /** A table of the same pages, all shared, under another owner. */
  fork(owner: OwnerId): BlockTable {
    const table = new BlockTable(this.#pool, this.pageSize, owner);
    for (const page of this.#pages) table.share(page);
    return table;
  }

  /** Lets go of all pages; the table is empty and can be used again. */
  release(): void {
    this.#pool.releaseOwner(this.owner);
    this.#pages.length = 0;
  }

  /** Index after the last existing page that a write up to `end` touches. */
  #lastWritten(end: number): number {
    return Math.min(this.#pages.length, Math.ceil(end / this.pageSize));
  }
}
