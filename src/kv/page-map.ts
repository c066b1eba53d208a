/**
 * What every page is at this moment, in shared memory, one byte for each: the pool writes as pages change hands, anyone
 * reads without asking. One writer; a reader may see the middle of a step, which a picture can bear.
 */

/** What a page can be; a page's byte is an index into this list. */
export const PAGE_STATES = ["free", "cached", "used", "shared"] as const;

/** One of {@link PAGE_STATES}: of nobody, kept by the prefix cache, of one sequence, of several. */
export type PageState = (typeof PAGE_STATES)[number];

/** The byte of a page with so many owners. */
export function pageStateOf(refCount: number, isCached: boolean): number {
  if (refCount === 0) return isCached ? 1 : 0;
  return refCount === 1 ? 2 : 3;
}

/** Memory for a map of `numPages` pages, all free. */
export function createPageMap(numPages: number): SharedArrayBuffer {
  return new SharedArrayBuffer(numPages);
}

/**
 * A copy of the map: [numPages], each an index into {@link PAGE_STATES}.
 *
 * @example
 * ```ts
 * const numShared = readPageMap(map).filter((state) => PAGE_STATES[state] === "shared").length;
 * ```
 */
export function readPageMap(map: SharedArrayBuffer): Uint8Array {
  return new Uint8Array(map).slice();
}
