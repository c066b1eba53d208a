import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { defaultCacheDir } from "../../src/model/cache-dir.ts";

test("the environment decides, an empty variable does not count", () => {
  assert.equal(
    defaultCacheDir({ XDG_CACHE_HOME: "/x", LOCALAPPDATA: "/l" }, "/users/a"),
    join("/x", "troupe"),
  );
  assert.equal(defaultCacheDir({ LOCALAPPDATA: "/l" }, "/users/a"), join("/l", "troupe"));
  assert.equal(defaultCacheDir({ XDG_CACHE_HOME: "" }, "/users/a"), join("/users/a", ".cache", "troupe"));
});
