/**
 * All KV pages of an engine as the scheduler sees them: pool, prefix cache and block tables put together. It decides
 * which page is whose; the bytes lie elsewhere.
 */
import { invariant } from "../errors/troupe-error.ts";
import { BlockPool, type OwnerId } from "./block-pool.ts";
import { BlockTable } from "./block-table.ts";
import { PrefixCache, type PrefixNode } from "./prefix-cache.ts";

/** Sizes of the page pool. */
export interface KvCacheOptions {
  readonly numPages: number;
  /** Tokens in a page. */
  readonly pageSize: number;
  /** Keep full pages for later requests with the same beginning. */
  readonly prefixCache: boolean;
}

/** A sequence's pages, and how far they have been offered to the prefix cache. */
export interface SequenceKv {
  readonly table: BlockTable;
  /** The prefix of the first `numPublished` pages. */
  prefix: PrefixNode;
  numPublished: number;
}

/**
 * @example
 * ```ts
 * const cache = new KvCache({ numPages: 64, pageSize: 16, prefixCache: true });
 * const kv = cache.open(1);
 * const numCached = cache.claim(kv, promptIds, promptIds.length, promptIds.length - 1, 0); // null: no room now
 * // ... compute, then
 * cache.publish(kv, promptIds, promptIds.length);
 * cache.close(kv);
 * ```
 */
export class KvCache {
  readonly numPages: number;
  readonly pageSize: number;
  readonly hasPrefixCache: boolean;
  readonly #pool: BlockPool;
  readonly #prefixes: PrefixCache;

  /** @param pageMap where to show what every page is (page-map.ts) */
  constructor(options: KvCacheOptions, pageMap?: SharedArrayBuffer) {
    invariant(Number.isSafeInteger(options.pageSize) && options.pageSize > 0, "pageSize is at least 1");
    this.numPages = options.numPages;
    this.pageSize = options.pageSize;
    this.hasPrefixCache = options.prefixCache;
    this.#prefixes = new PrefixCache(options.pageSize);
    this.#pool = new BlockPool(options.numPages, (page) => this.#prefixes.forget(page), pageMap);
  }

  /** Pages that a sequence could get now; what the prefix cache keeps counts as free. */
  get numFreePages(): number {
    return this.#pool.numFree;
  }

  /** An empty table for an owner that has none. */
  open(owner: OwnerId): SequenceKv {
    const table = new BlockTable(this.#pool, this.pageSize, owner);
    return { table, prefix: this.#prefixes.root, numPublished: 0 };
  }

  /**
   * Gives an empty table pages for positions 0 to numTokens - 1, cached ones first. All or nothing.
   *
   * @param maxCachedTokens how many tokens may come from the prefix cache
   * @param numSparePages pages that must stay free for others
   * @returns the number of tokens whose keys and values lie there already; null when there is no room
   */
  claim(
    kv: SequenceKv,
    tokenIds: Int32Array,
    numTokens: number,
    maxCachedTokens: number,
    numSparePages: number,
  ): number | null {
    invariant(kv.table.numPages === 0, `owner ${kv.table.owner} claims pages twice`);
    const maxPages = this.hasPrefixCache ? Math.floor(maxCachedTokens / this.pageSize) : 0;
    const hits = this.#prefixes.match(tokenIds, maxPages);
    for (const hit of hits) kv.table.share(hit.page);
    const numCached = hits.length * this.pageSize;
    const numNew = kv.table.numPagesToReserve(numCached, numTokens);
    if (numNew + numSparePages > this.#pool.numFree) {
      kv.table.release();
      return null;
    }
    const copies: number[] = [];
    kv.table.reserve(numCached, numTokens, copies);
    kv.prefix = hits.at(-1) ?? this.#prefixes.root;
    kv.numPublished = hits.length;
    return numCached;
  }

  /** Offers the full pages among the first `numComputed` tokens to other requests. Call when they really are computed. */
  publish(kv: SequenceKv, tokenIds: Int32Array, numComputed: number): void {
    if (!this.hasPrefixCache) return;
    const numFull = Math.floor(numComputed / this.pageSize);
    for (; kv.numPublished < numFull; kv.numPublished++) {
      const page = kv.table.page(kv.numPublished);
      kv.prefix = this.#prefixes.insert(kv.prefix, tokenIds, kv.numPublished * this.pageSize, page);
      if (kv.prefix.page === page) this.#pool.markCached(page);
    }
  }

  /** The same pages for another owner; whoever writes first copies. */
  fork(kv: SequenceKv, owner: OwnerId): SequenceKv {
    return { table: kv.table.fork(owner), prefix: kv.prefix, numPublished: kv.numPublished };
  }

  /** Lets go of all pages; the table can claim anew. */
  close(kv: SequenceKv): void {
    kv.table.release();
    kv.prefix = this.#prefixes.root;
    kv.numPublished = 0;
  }
}
