import assert from "node:assert/strict";
import { test } from "node:test";
import { KvCache } from "../../src/kv/kv-cache.ts";

const PROMPT = Int32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9);

function createCache(numPages: number, prefixCache = true): KvCache {
  return new KvCache({ numPages, pageSize: 4, prefixCache });
}

/** A sequence with the whole prompt computed and published. */
function compute(cache: KvCache, owner: number) {
  const kv = cache.open(owner);
  const numCached = cache.claim(kv, PROMPT, PROMPT.length, PROMPT.length - 1, 0);
  cache.publish(kv, PROMPT, PROMPT.length);
  return { kv, numCached };
}

test("full computed pages are found by the next sequence, while held and after", () => {
  const cache = createCache(8);
  const first = compute(cache, 1);
  assert.equal(first.numCached, 0);
  assert.equal(compute(cache, 2).numCached, 8);
  cache.close(first.kv);
  const third = compute(cache, 3);
  assert.equal(third.numCached, 8);
  assert.deepEqual([third.kv.table.page(0), third.kv.table.page(1)], [0, 1]);
});

test("pages are found only once their content is computed", () => {
  const cache = createCache(8);
  const kv = cache.open(1);
  cache.claim(kv, PROMPT, 9, 8, 0);
  cache.publish(kv, PROMPT, 7);
  const other = cache.open(2);
  assert.equal(cache.claim(other, PROMPT, 9, 8, 0), 4);
});

test("at most the allowed tokens come from the cache", () => {
  const cache = createCache(16);
  compute(cache, 1);
  for (const [owner, maxCached, expected] of [
    [2, 7, 4],
    [3, 3, 0],
    [4, 0, 0],
  ] as const)
    assert.equal(cache.claim(cache.open(owner), PROMPT, 9, maxCached, 0), expected);
});

test("a claim that does not fit, spare pages included, changes nothing", () => {
  const cache = createCache(3);
  const kv = cache.open(1);
  assert.equal(cache.claim(kv, PROMPT, 9, 8, 1), null);
  assert.deepEqual([cache.numFreePages, kv.table.numPages], [3, 0]);
  assert.equal(cache.claim(kv, PROMPT, 9, 8, 0), 0);
  assert.throws(() => cache.claim(kv, PROMPT, 9, 8, 0), { code: "internal" });
});

test("cached pages that a claim shares do not count as free for it", () => {
  const cache = createCache(3);
  cache.close(compute(cache, 1).kv);
  assert.equal(cache.numFreePages, 3);
  assert.equal(cache.claim(cache.open(2), PROMPT, 13, 12, 0), null);
  assert.equal(cache.claim(cache.open(2), PROMPT, 12, 11, 0), 8);
});

test("the beginning of a prefix outlives its end", () => {
  const cache = createCache(4);
  cache.close(compute(cache, 1).kv); // pages 0 and 1 are cached, 2 and 3 unused
  assert.equal(
    cache.claim(
      cache.open(2),
      Int32Array.from({ length: 12 }, () => 99),
      12,
      11,
      0,
    ),
    0,
  );
  assert.equal(cache.numFreePages, 1);
  assert.equal(cache.claim(cache.open(3), PROMPT, 4, 4, 0), 4);
});

test("a duplicate of a cached page is reused before any cached one is evicted", () => {
  const cache = createCache(4);
  const [first, second] = [cache.open(1), cache.open(2)];
  for (const kv of [first, second]) cache.claim(kv, PROMPT, 8, 7, 0);
  for (const kv of [first, second]) cache.publish(kv, PROMPT, 8);
  cache.close(first);
  cache.close(second);
  cache.claim(cache.open(3), Int32Array.of(99, 99, 99, 99, 99), 5, 4, 0);
  assert.equal(cache.claim(cache.open(4), PROMPT, 8, 8, 0), 8);
});

test("without a prefix cache nothing is found", () => {
  const cache = createCache(8, false);
  compute(cache, 1);
  assert.equal(compute(cache, 2).numCached, 0);
});

test("a fork knows what is published and can go on by itself", () => {
  const cache = createCache(8);
  const { kv } = compute(cache, 1);
  const fork = cache.fork(kv, 2);
  const longer = Int32Array.from([...PROMPT, 10, 11, 12, 13]);
  assert.ok(fork.table.reserve(9, 13, []));
  cache.publish(fork, longer, 13);
  cache.close(kv);
  cache.close(fork);
  assert.equal(cache.claim(cache.open(3), longer, 13, 12, 0), 12);
});
