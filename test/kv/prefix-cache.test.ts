import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { PrefixCache } from "../../src/kv/prefix-cache.ts";

const PAGE_SIZE = 2;

/** Inserts tokens page after page; returns the last node. */
function insertAll(cache: PrefixCache, tokens: readonly number[], pages: readonly number[]) {
  const ids = Int32Array.from(tokens);
  return pages.reduce((node, page, index) => cache.insert(node, ids, index * PAGE_SIZE, page), cache.root);
}

function pagesOf(cache: PrefixCache, tokens: readonly number[]): number[] {
  return cache.match(Int32Array.from(tokens), Math.floor(tokens.length / PAGE_SIZE)).map((node) => node.page);
}

test("the longest cached prefix of whole pages is found", () => {
  const cache = new PrefixCache(PAGE_SIZE);
  insertAll(cache, [1, 2, 3, 4, 5, 6], [10, 11, 12]);
  assert.deepEqual(pagesOf(cache, [1, 2, 3, 4, 5, 6, 7]), [10, 11, 12]);
  assert.deepEqual(pagesOf(cache, [1, 2, 3, 4, 9, 9]), [10, 11]);
  assert.deepEqual(pagesOf(cache, [3, 4]), []);
  assert.deepEqual(pagesOf(cache, [1]), []);
});

test("no more pages are returned than asked for", () => {
  const cache = new PrefixCache(PAGE_SIZE);
  insertAll(cache, [1, 2, 3, 4], [10, 11]);
  assert.equal(cache.match(Int32Array.of(1, 2, 3, 4), 1).length, 1);
  assert.equal(cache.match(Int32Array.of(1, 2, 3, 4), 0).length, 0);
});

test("the first page of a prefix stays, a second one is not taken", () => {
  const cache = new PrefixCache(PAGE_SIZE);
  insertAll(cache, [1, 2], [10]);
  assert.equal(insertAll(cache, [1, 2], [20]).page, 10);
  cache.forget(20);
  assert.deepEqual(pagesOf(cache, [1, 2]), [10]);
});

test("behind a forgotten page its continuations wait for it to come back", () => {
  const cache = new PrefixCache(PAGE_SIZE);
  insertAll(cache, [1, 2, 3, 4], [10, 11]);
  cache.forget(10);
  assert.deepEqual(pagesOf(cache, [1, 2, 3, 4]), []);
  insertAll(cache, [1, 2], [20]);
  assert.deepEqual(pagesOf(cache, [1, 2, 3, 4]), [20, 11]);
});

test("a sequence that stands on a forgotten prefix still makes its next pages findable", () => {
  const cache = new PrefixCache(PAGE_SIZE);
  const node = insertAll(cache, [1, 2, 3, 4], [10, 11]);
  cache.forget(11);
  cache.forget(10);
  assert.equal(cache.size, 0);
  const ids = Int32Array.of(1, 2, 3, 4, 5, 6);
  assert.equal(cache.insert(node, ids, 4, 12).page, 12);
  insertAll(cache, [1, 2, 3, 4], [20, 21]);
  assert.deepEqual(pagesOf(cache, [1, 2, 3, 4, 5, 6]), [20, 21, 12]);
});

test("nodes do not outlive the pages they lead to", () => {
  const cache = new PrefixCache(PAGE_SIZE);
  insertAll(cache, [1, 2, 3, 4, 5, 6], [10, 11, 12]);
  insertAll(cache, [1, 2, 9, 9], [10, 13]);
  for (const page of [10, 12, 11, 13]) cache.forget(page);
  assert.equal(cache.size, 0);
});

test("two prefixes with one hash cost a miss, never a wrong page", () => {
  const cache = new PrefixCache(PAGE_SIZE, () => 42);
  insertAll(cache, [1, 2], [10]);
  assert.equal(insertAll(cache, [3, 4, 5, 6], [11, 12]).page, -1);
  assert.deepEqual(pagesOf(cache, [1, 2]), [10]);
  assert.deepEqual(pagesOf(cache, [3, 4]), []);
  cache.forget(10);
  insertAll(cache, [3, 4], [11]);
  assert.deepEqual(pagesOf(cache, [3, 4]), [11]);
});

test("whatever collides and whatever is forgotten, a hit is exactly the prefix that was stored", () => {
  const tokens = fc.array(fc.nat(2), { minLength: 2, maxLength: 8 });
  const commands = fc.array(fc.tuple(tokens, fc.option(fc.nat(30))), { maxLength: 40 });
  const weakHash = (prefixId: number, ids: Int32Array, start: number) => (prefixId + ids[start]!) % 5;
  const property = fc.property(commands, fc.boolean(), (all, isWeak) => {
    const cache = isWeak ? new PrefixCache(PAGE_SIZE, weakHash) : new PrefixCache(PAGE_SIZE);
    const stored = new Map<number, string>();
    let nextPage = 0;
    for (const [ids, forgotten] of all) {
      const numPages = Math.floor(ids.length / PAGE_SIZE);
      const hits = pagesOf(cache, ids);
      for (const [index, page] of hits.entries())
        assert.equal(stored.get(page), ids.slice(0, (index + 1) * PAGE_SIZE).join());
      const pages = Array.from({ length: numPages }, () => nextPage++);
      insertAll(cache, ids, pages);
      for (const [index, page] of pages.entries())
        stored.set(page, ids.slice(0, (index + 1) * PAGE_SIZE).join());
      if (forgotten !== null) cache.forget(forgotten % nextPage);
      if (!isWeak && forgotten === null) assert.equal(pagesOf(cache, ids).length, numPages);
    }
    for (let page = 0; page < nextPage; page++) cache.forget(page);
    assert.equal(cache.size, 0);
  });
  fc.assert(property, { numRuns: 300 });
});
