/**
 * Hands out page numbers and takes them back. A page is held (by one owner or more), cached (held by nobody, content
 * worth keeping, evicted least recently used) or unused. The pool knows numbers only, never what lies in a page.
 *
 *     unused ──allocate──► held ──last release──► cached, if marked ──evict──► held again
 *        ▲                  └─────last release──► unused
 */
import { invariant } from "../errors/troupe-error.ts";
import { PageList } from "./page-list.ts";
import { createPageMap, pageStateOf } from "./page-map.ts";

/** A page's number, 0 to numPages - 1. */
export type PageNumber = number;

/** Who holds pages: one life of one holder. Never reused, so a late release cannot hit a successor's pages. */
export type OwnerId = number;

/**
 * Reference counts, the free list and the leases of every owner.
 *
 * Each owner holds a page at most once; a page's reference count is the number of its owners. `releaseOwner` frees all
 * that a finished, preempted or dead owner held.
 *
 * @example
 * ```ts
 * const pool = new BlockPool(64);
 * const page = pool.allocate(1);
 * pool.retain(page, 2); // shared by owners 1 and 2
 * pool.releaseOwner(1);
 * pool.refCount(page); // 1
 * ```
 */
export class BlockPool {
  readonly numPages: number;
  readonly #refCounts: Int32Array; // [numPages]
  readonly #isMarked: Uint8Array; // [numPages], content worth keeping
  readonly #unused: Int32Array; // [numPages], a stack
  #numUnused: number;
  readonly #cached: PageList;
  readonly #leases = new Map<OwnerId, Set<PageNumber>>();
  readonly #onEvict: (page: PageNumber) => void;
  readonly #map: Uint8Array; // [numPages], see page-map.ts

  /**
   * @param onEvict told of each cached page whose content is about to be lost
   * @param map where to show what every page is; another pool may have written there before
   */
  constructor(
    numPages: number,
    onEvict: (page: PageNumber) => void = () => undefined,
    map?: SharedArrayBuffer,
  ) {
    invariant(Number.isSafeInteger(numPages) && numPages > 0, `a pool of ${numPages} pages`);
    this.numPages = numPages;
    this.#map = new Uint8Array(map ?? createPageMap(numPages)).fill(0);
    invariant(this.#map.length === numPages, `a map of ${this.#map.length} pages for a pool of ${numPages}`);
    this.#refCounts = new Int32Array(numPages);
    this.#isMarked = new Uint8Array(numPages);
    // descending, so that a fresh pool hands out 0, 1, 2, ...: consecutive pages can be read without a gather
    this.#unused = Int32Array.from({ length: numPages }, (_, index) => numPages - 1 - index);
    this.#numUnused = numPages;
    this.#cached = new PageList(numPages);
    this.#onEvict = onEvict;
  }

  /** Pages that `allocate` can still give: unused and cached ones. */
  get numFree(): number {
    return this.#numUnused + this.#cached.size;
  }

  /** How many owners hold the page. */
  refCount(page: PageNumber): number {
    return this.#refCounts[page] ?? 0;
  }

  /**
   * A page for `owner` alone; its content is arbitrary. Unused pages go first, then the least recently used cached one.
   *
   * @throws TroupeError `internal` when no page is free: callers look at `numFree` first
   */
  allocate(owner: OwnerId): PageNumber {
    invariant(this.numFree > 0, `owner ${owner} wants a page, but all ${this.numPages} are held`);
    const page = this.#numUnused > 0 ? this.#unused[--this.#numUnused]! : this.#evict();
    this.#lease(page, owner);
    return page;
  }

  /**
   * One more owner for a held or cached page.
   *
   * @throws TroupeError `internal` when the page is unused, or `owner` already holds it
   */
  retain(page: PageNumber, owner: OwnerId): void {
    const isHeld = this.refCount(page) > 0;
    invariant(isHeld || this.#isMarked[page] === 1, `page ${page} is unused and cannot be retained`);
    if (!isHeld) this.#cached.remove(page);
    this.#lease(page, owner);
  }

  /** @throws TroupeError `internal` when `owner` does not hold the page */
  release(page: PageNumber, owner: OwnerId): void {
    const pages = this.#leases.get(owner);
    invariant(pages?.delete(page) === true, `owner ${owner} does not hold page ${page}`);
    if (pages?.size === 0) this.#leases.delete(owner);
    this.#unreference(page);
  }

  /**
   * Releases everything `owner` holds; an owner without pages is fine.
   *
   * @returns the number of leases that ended
   */
  releaseOwner(owner: OwnerId): number {
    const pages = [...(this.#leases.get(owner) ?? [])];
    this.#leases.delete(owner);
    // last page first: a prefix's tail is evicted before its beginning, which more requests share
    for (const page of pages.reverse()) this.#unreference(page);
    return pages.length;
  }

  /** Marks a held page's content as worth keeping when its last owner lets go. */
  markCached(page: PageNumber): void {
    invariant(this.refCount(page) > 0, `page ${page} is not held and cannot be marked`);
    this.#isMarked[page] = 1;
  }

  #lease(page: PageNumber, owner: OwnerId): void {
    const pages = this.#leases.get(owner) ?? new Set();
    if (pages.size === 0) this.#leases.set(owner, pages);
    invariant(!pages.has(page), `owner ${owner} already holds page ${page}`);
    pages.add(page);
    this.#show(page, ++this.#refCounts[page]!);
  }

  #unreference(page: PageNumber): void {
    const count = --this.#refCounts[page]!;
    this.#show(page, count);
    if (count > 0) return;
    if (this.#isMarked[page] === 1) this.#cached.pushBack(page);
    else this.#unused[this.#numUnused++] = page;
  }

  #show(page: PageNumber, refCount: number): void {
    this.#map[page] = pageStateOf(refCount, this.#isMarked[page] === 1);
  }

  #evict(): PageNumber {
    const page = this.#cached.popFront();
    this.#isMarked[page] = 0;
    this.#onEvict(page);
    return page;
  }
}
