/**
 * Which page holds the keys and values of which prefix. Full pages form a hash chain: a node is one page of tokens after
 * its parent node, found by hash(parent, tokens). A node stands for exactly one prefix, because every hit is verified
 * (same parent, same tokens): two prefixes with one hash can cost a miss, but never serve wrong keys and values.
 *
 *     root ─► [page 7: tokens 0..15] ─► [page 2: tokens 16..31] ─► ...
 *                                   └─► [page 9: tokens 16..31]      another continuation
 */
import type { PageNumber } from "./block-pool.ts";
import { hashPage } from "./page-hash.ts";

const NO_PAGE = -1;

/** A prefix of whole pages. Owned by the cache: others only hand it back. */
export interface PrefixNode {
  readonly id: number;
  /** null at the root, the empty prefix. */
  readonly parent: PrefixNode | null;
  /** Tokens of the last page. [pageSize] */
  readonly tokenIds: Int32Array;
  readonly hash: number;
  /** The page of these tokens; -1 when it was evicted (or never kept). */
  page: PageNumber;
  numChildren: number;
  /** Whether `match` can find it. */
  isLinked: boolean;
}

/**
 * The hash chain of pages. It holds no references: the pool tells it what is evicted.
 *
 * @example
 * ```ts
 * const cache = new PrefixCache(4);
 * const node = cache.insert(cache.root, Int32Array.of(1, 2, 3, 4), 0, 7);
 * cache.match(Int32Array.of(1, 2, 3, 4, 5), 1).map((hit) => hit.page); // [7]
 * ```
 */
export class PrefixCache {
  readonly root: PrefixNode;
  readonly #pageSize: number;
  readonly #hash: typeof hashPage;
  readonly #nodes = new Map<number, PrefixNode>();
  readonly #nodeOfPage = new Map<PageNumber, PrefixNode>();
  #nextId = 1;

  constructor(pageSize: number, hash: typeof hashPage = hashPage) {
    this.#pageSize = pageSize;
    this.#hash = hash;
    this.root = {
      id: 0,
      parent: null,
      tokenIds: new Int32Array(0),
      hash: 0,
      page: NO_PAGE,
      numChildren: 0,
      isLinked: true,
    };
  }

  /** Nodes in the chain, those without a page included: they keep the way to their descendants. */
  get size(): number {
    return this.#nodes.size;
  }

  /**
   * The longest cached prefix of `tokenIds`, one node a page in order; each has its page.
   *
   * @param maxPages the longest prefix of interest, within `tokenIds`
   */
  match(tokenIds: Int32Array, maxPages: number): PrefixNode[] {
    const hits: PrefixNode[] = [];
    let node = this.root;
    while (hits.length < maxPages) {
      const child = this.#find(node, tokenIds, hits.length * this.#pageSize);
      if (child === undefined || child.page === NO_PAGE) break;
      hits.push(child);
      node = child;
    }
    return hits;
  }

  /**
   * Makes `page` findable as the tokens from `start` on, after `parent`. Where the prefix already has a page, that one
   * stays.
   *
   * @returns the node of the longer prefix; its `page` is `page` exactly when that was taken
   */
  insert(parent: PrefixNode, tokenIds: Int32Array, start: number, page: PageNumber): PrefixNode {
    const home = this.#relink(parent);
    const node = this.#find(home, tokenIds, start) ?? this.#link(home, tokenIds, start);
    if (node.isLinked && node.page === NO_PAGE) {
      node.page = page;
      this.#nodeOfPage.set(page, node);
    }
    return node;
  }

  /** The page's content is lost. Nodes that lead nowhere go with it. */
  forget(page: PageNumber): void {
    let node = this.#nodeOfPage.get(page);
    this.#nodeOfPage.delete(page);
    if (node !== undefined) node.page = NO_PAGE;
    while (node?.parent && node.page === NO_PAGE && node.numChildren === 0) {
      this.#nodes.delete(node.hash);
      node.isLinked = false;
      node = node.parent;
      node.numChildren--;
    }
  }

  /** A sequence may still stand on a node that was dropped meanwhile: its linked equal, made anew where needed. */
  #relink(node: PrefixNode): PrefixNode {
    if (node.isLinked || node.parent === null) return node;
    const parent = this.#relink(node.parent);
    return this.#find(parent, node.tokenIds, 0) ?? this.#link(parent, node.tokenIds, 0);
  }

  #find(parent: PrefixNode, tokenIds: Int32Array, start: number): PrefixNode | undefined {
    const node = this.#nodes.get(this.#hash(parent.id, tokenIds, start, this.#pageSize));
    return node?.parent === parent && this.#hasTokens(node, tokenIds, start) ? node : undefined;
  }

  #hasTokens(node: PrefixNode, tokenIds: Int32Array, start: number): boolean {
    for (let index = 0; index < this.#pageSize; index++)
      if (node.tokenIds[index] !== tokenIds[start + index]) return false;
    return true;
  }

  /** A new node; it stays unlinked, and its descendants with it, where another prefix has the same hash. */
  #link(parent: PrefixNode, tokenIds: Int32Array, start: number): PrefixNode {
    const hash = this.#hash(parent.id, tokenIds, start, this.#pageSize);
    const isLinked = parent.isLinked && !this.#nodes.has(hash);
    const own = tokenIds.slice(start, start + this.#pageSize);
    const node: PrefixNode = {
      id: this.#nextId++,
      parent,
      tokenIds: own,
      hash,
      page: NO_PAGE,
      numChildren: 0,
      isLinked,
    };
    if (isLinked) {
      this.#nodes.set(hash, node);
      parent.numChildren++;
    }
    return node;
  }
}
