import assert from "node:assert/strict";
import { test } from "node:test";
import { hashPage } from "../../src/kv/page-hash.ts";

test("the hash is a safe integer that depends on prefix, tokens and their order", () => {
  const tokens = Int32Array.of(1, 2, 3, 4);
  const hashes = [
    hashPage(0, tokens, 0, 4),
    hashPage(1, tokens, 0, 4),
    hashPage(2 ** 32, tokens, 0, 4),
    hashPage(0, tokens, 0, 3),
    hashPage(0, tokens, 1, 3),
    hashPage(0, Int32Array.of(2, 1, 3, 4), 0, 4),
  ];
  assert.ok(hashes.every((hash) => Number.isSafeInteger(hash) && hash >= 0));
  assert.equal(new Set(hashes).size, hashes.length);
  assert.equal(hashPage(5, Int32Array.of(9, 1, 2, 3, 4), 1, 4), hashPage(5, tokens, 0, 4));
});

test("200 000 neighbouring pages have different hashes", () => {
  const hashes = new Set<number>();
  for (let prefix = 0; prefix < 200; prefix++)
    for (let token = 0; token < 1000; token++) hashes.add(hashPage(prefix, Int32Array.of(0, token), 0, 2));
  assert.equal(hashes.size, 200_000);
});
