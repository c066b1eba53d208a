import assert from "node:assert/strict";
import { test } from "node:test";
import { KvCache } from "../../src/kv/kv-cache.ts";
import { createPageMap, PAGE_STATES, readPageMap } from "../../src/kv/page-map.ts";

const IDS = Int32Array.from({ length: 40 }, (_, index) => index + 1);

test("the map shows pages that are taken, shared, kept by the prefix cache, evicted and freed", () => {
  const map = createPageMap(4);
  const cache = new KvCache({ numPages: 4, pageSize: 8, prefixCache: true }, map);
  const shown = (): string => [...readPageMap(map)].map((state) => PAGE_STATES[state]).join(" ");
  assert.equal(shown(), "free free free free");

  const first = cache.open(1);
  cache.claim(first, IDS, 20, 0, 0);
  assert.equal(shown(), "used used used free");
  cache.publish(first, IDS, 20);
  const second = cache.fork(first, 2);
  assert.equal(shown(), "shared shared shared free");
  cache.close(first);
  assert.equal(shown(), "used used used free");
  cache.close(second);
  assert.equal(shown(), "cached cached free free");

  const third = cache.open(3);
  assert.equal(cache.claim(third, IDS, 10, 9, 0), 8);
  assert.equal(shown(), "used cached used free");
  const others = IDS.map((id) => id + 100);
  cache.claim(cache.open(4), others, 16, 0, 0);
  assert.equal(shown(), "used used used used");
  cache.close(third);
  assert.equal(shown(), "cached used free used");
});

test("a new pool begins with a clean map, whatever an old one left", () => {
  const map = createPageMap(2);
  const options = { numPages: 2, pageSize: 8, prefixCache: false };
  const old = new KvCache(options, map);
  old.claim(old.open(1), IDS, 16, 0, 0);
  assert.deepEqual([...readPageMap(map)], [2, 2]);
  new KvCache(options, map);
  assert.deepEqual([...readPageMap(map)], [0, 0]);
});

test("a map of another size is refused", () => {
  assert.throws(() => new KvCache({ numPages: 2, pageSize: 8, prefixCache: false }, createPageMap(3)), {
    message: /a map of 3 pages for a pool of 2/,
  });
});
