import assert from "node:assert/strict";
import { test } from "node:test";
import { nearestName } from "../../src/core/nearest-name.ts";

test("a slip of the finger finds its name, whatever the case", () => {
  assert.equal(nearestName("max_tokns", ["max_tokens", "top_p"]), "max_tokens");
  assert.equal(nearestName("TopP", ["topP", "topK"]), "topP");
});

test("a name that resembles nothing finds nothing", () => {
  assert.equal(nearestName("zebra", ["max_tokens", "top_p"]), undefined);
});
