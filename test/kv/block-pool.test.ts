import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BlockPool } from "../../src/kv/block-pool.ts";

test("a fresh pool hands out consecutive pages until none is left", () => {
  const pool = new BlockPool(3);
  assert.deepEqual([pool.allocate(1), pool.allocate(1), pool.allocate(2)], [0, 1, 2]);
  assert.equal(pool.numFree, 0);
  assert.throws(() => pool.allocate(2), { code: "internal", message: /owner 2 wants a page, but all 3/ });
});

test("a shared page is free only when its last owner lets go", () => {
  const pool = new BlockPool(2);
  const page = pool.allocate(1);
  pool.retain(page, 2);
  assert.equal(pool.refCount(page), 2);
  pool.release(page, 1);
  assert.equal(pool.numFree, 1);
  pool.release(page, 2);
  assert.equal(pool.numFree, 2);
  assert.equal(pool.refCount(page), 0);
});

test("an owner that is gone loses all it held at once, and nothing of others", () => {
  const pool = new BlockPool(4);
  const shared = pool.allocate(1);
  pool.allocate(1);
  pool.retain(shared, 2);
  const other = pool.allocate(2);
  assert.equal(pool.releaseOwner(1), 2);
  assert.equal(pool.releaseOwner(1), 0);
  assert.equal(pool.numFree, 2);
  assert.deepEqual([pool.refCount(shared), pool.refCount(other)], [1, 1]);
});

test("a late release by a dead owner is refused", () => {
  const pool = new BlockPool(2);
  const page = pool.allocate(1);
  pool.releaseOwner(1);
  assert.equal(pool.allocate(2), page);
  assert.throws(() => pool.release(page, 1), { code: "internal" });
  assert.equal(pool.refCount(page), 1);
});

test("an owner cannot hold a page twice, nor one that is unused", () => {
  const pool = new BlockPool(2);
  const page = pool.allocate(1);
  assert.throws(() => pool.retain(page, 1), { code: "internal" });
  assert.throws(() => pool.retain(1, 1), { code: "internal" });
  assert.throws(() => pool.retain(99, 1), { code: "internal" });
  assert.throws(() => pool.markCached(1), { code: "internal" });
});

test("unused pages go before cached ones, and those least recently used first", () => {
  const evicted: number[] = [];
  const pool = new BlockPool(3, (page) => evicted.push(page));
  for (const owner of [1, 2]) pool.markCached(pool.allocate(owner));
  pool.releaseOwner(1);
  pool.releaseOwner(2);
  pool.retain(0, 3); // used again
  pool.releaseOwner(3);
  assert.deepEqual([pool.allocate(4), pool.allocate(4), pool.allocate(4)], [2, 1, 0]);
  assert.deepEqual(evicted, [1, 0]);
});

test("of an owner's cached pages the last is evicted first", () => {
  const pool = new BlockPool(3);
  for (let count = 0; count < 3; count++) pool.markCached(pool.allocate(1));
  pool.releaseOwner(1);
  assert.deepEqual([pool.allocate(2), pool.allocate(2), pool.allocate(2)], [2, 1, 0]);
});

test("an evicted page is not cached any more", () => {
  const pool = new BlockPool(1);
  pool.markCached(pool.allocate(1));
  pool.releaseOwner(1);
  pool.allocate(2);
  pool.releaseOwner(2);
  assert.throws(() => pool.retain(0, 3), { code: "internal" });
});

test("a pool needs a page", () => {
  for (const numPages of [0, -1, 1.5, Number.NaN])
    assert.throws(() => new BlockPool(numPages), { code: "internal" });
});

test("counts stay right under random use", () => {
  const command = fc.record({ kind: fc.nat(3), owner: fc.nat(3), page: fc.nat(5) });
  const property = fc.property(fc.array(command, { maxLength: 100 }), (commands) => {
    const numPages = 6;
    const pool = new BlockPool(numPages);
    const held = new Map<number, Set<number>>([0, 1, 2, 3].map((owner) => [owner, new Set()]));
    for (const { kind, owner, page } of commands) {
      const own = held.get(owner)!;
      const isHeld = [...held.values()].some((pages) => pages.has(page));
      if (kind === 0 && pool.numFree > 0) own.add(pool.allocate(owner));
      if (kind === 1 && isHeld && !own.has(page)) {
        pool.retain(page, owner);
        own.add(page);
      }
      if (kind === 2 && own.delete(page)) pool.release(page, owner);
      if (kind === 3) {
        assert.equal(pool.releaseOwner(owner), own.size);
        own.clear();
      }
      const counts = Array.from(
        { length: numPages },
        (_, each) => [...held.values()].filter((pages) => pages.has(each)).length,
      );
      assert.deepEqual(
        counts.map((_, each) => pool.refCount(each)),
        counts,
      );
      assert.equal(pool.numFree, counts.filter((count) => count === 0).length);
    }
  });
  fc.assert(property, { numRuns: 200 });
});
