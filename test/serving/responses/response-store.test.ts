import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "../../../src/core/manual-clock.ts";
import type { WireResponse } from "../../../src/protocol/openai/response-object.ts";
import { ResponseStore, type StoredResponse } from "../../../src/serving/responses/response-store.ts";

function stored(id: string, text = ""): StoredResponse {
  const response = { id, output: [] } as unknown as WireResponse;
  return { owner: "me", response, inputItems: [], history: [{ role: "user", content: text }] };
}

const sizeOf = (entry: StoredResponse): number => 2 * JSON.stringify(entry).length;

test("the oldest response makes room", () => {
  const maxBytes = 3 * sizeOf(stored("a"));
  const store = new ResponseStore({ clock: new ManualClock(), maxBytes, ttlMs: 1000 });
  for (const id of ["a", "b", "c", "d"]) store.put(stored(id));
  assert.equal(store.get("a"), undefined);
  assert.deepEqual(
    ["b", "c", "d"].map((id) => store.get(id)?.response.id),
    ["b", "c", "d"],
  );
  assert.equal(store.numBytes, maxBytes);
});

test("a response larger than the store is not stored and drives nobody out", () => {
  const store = new ResponseStore({ clock: new ManualClock(), maxBytes: 1000, ttlMs: 1000 });
  store.put(stored("a"));
  store.put(stored("big", "x".repeat(1000)));
  assert.deepEqual([store.get("big"), store.get("a")?.response.id], [undefined, "a"]);
});

test("a response is forgotten after its time, and its bytes are free", () => {
  const clock = new ManualClock();
  const store = new ResponseStore({ clock, maxBytes: 10_000, ttlMs: 100 });
  store.put(stored("a"));
  clock.advance(60);
  store.put(stored("b"));
  clock.advance(40);
  assert.deepEqual([store.get("a"), store.get("b")?.response.id], [undefined, "b"]);
  assert.equal(store.numBytes, sizeOf(stored("b")));
  assert.deepEqual([store.delete("b"), store.delete("b"), store.numBytes], [true, false, 0]);
});

test("a store without room stores nothing", () => {
  const store = new ResponseStore({ clock: new ManualClock(), maxBytes: 0, ttlMs: 100 });
  store.put(stored("a"));
  assert.equal(store.get("a"), undefined);
});
