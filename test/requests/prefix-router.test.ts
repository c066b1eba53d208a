import assert from "node:assert/strict";
import { test } from "node:test";
import { PrefixRouter } from "../../src/requests/prefix-router.ts";
import { promptPieces } from "../../src/requests/prompt-pieces.ts";

const loads = (...all: readonly number[]) => all.map((load, index) => ({ index, load }));
const best = (router: PrefixRouter, pieces: readonly string[], ...all: readonly number[]): number =>
  router.rank(pieces, loads(...all))[0]!.index;

test("a prompt goes to the least loaded engine, and equal ones take turns", () => {
  const router = new PrefixRouter();
  assert.equal(best(router, [], 3, 1, 2), 1);
  const turns = Array.from({ length: 6 }, () => best(router, [], 0, 0, 0));
  assert.deepEqual(new Set(turns.slice(0, 3)), new Set([0, 1, 2]));
  assert.deepEqual(turns.slice(3), turns.slice(0, 3));
});

test("an engine that has seen the beginning is preferred, the longest beginning first", () => {
  const router = new PrefixRouter();
  router.sent(["a"], 0);
  router.sent(["a", "ab"], 2);
  assert.equal(best(router, ["a", "ab", "abc"], 0, 0, 1), 2);
  router.sent(["a", "ax"], 1);
  assert.equal(best(router, ["a", "ab", "abc"], 0, 0, 1), 2);
  assert.equal(best(router, ["a", "ax"], 0, 3, 1), 1);
});

test("unless it has clearly more to do", () => {
  const router = new PrefixRouter();
  router.sent(["a"], 1);
  assert.equal(best(router, ["a"], 0, 4), 1);
  assert.equal(best(router, ["a"], 0, 5), 0);
});

test("every candidate is named once, and engines that are none are passed over", () => {
  const router = new PrefixRouter();
  router.sent(["a"], 1);
  const ranked = router.rank(
    ["a"],
    [
      { index: 0, load: 2 },
      { index: 2, load: 1 },
    ],
  );
  assert.deepEqual(
    ranked.map(({ index }) => index),
    [2, 0],
  );
  assert.deepEqual(router.rank(["a"], []), []);
});

test("what was sent long ago is forgotten", () => {
  const router = new PrefixRouter(3);
  router.sent(["a"], 1);
  router.sent(["b", "c", "d"], 1);
  assert.equal(best(router, ["a"], 0, 1), 0);
  assert.equal(best(router, ["d"], 0, 1), 1);
});

test("prompts that begin alike have the same first pieces", () => {
  const system = { role: "system", content: "You are helpful. ".repeat(40) };
  const of = (content: string, tools?: readonly unknown[]) =>
    promptPieces({ kind: "chat", messages: [system, { role: "user", content }], ...(tools && { tools }) });
  const [a, b, withTools] = [of("Hello"), of("Goodbye"), of("Hello", [{ name: "clock" }])];
  assert.deepEqual(a.slice(0, -1), b.slice(0, -1));
  assert.notEqual(a.at(-1), b.at(-1));
  assert.notEqual(a[0], withTools[0]);
  const ids = Array.from({ length: 200 }, (_, i) => i);
  assert.deepEqual(
    promptPieces({ kind: "ids", ids }).slice(0, 3),
    promptPieces({ kind: "ids", ids: [...ids, 7] }).slice(0, 3),
  );
  assert.notDeepEqual(
    promptPieces({ kind: "text", text: "1,2" }),
    promptPieces({ kind: "text", text: "1,3" }),
  );
  assert.equal(promptPieces({ kind: "text", text: "x".repeat(1_000_000) }).length, 128);
  assert.deepEqual(promptPieces({ kind: "text", text: "" }), []);
});
