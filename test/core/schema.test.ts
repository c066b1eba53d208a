import assert from "node:assert/strict";
import { test } from "node:test";
import { parse, z } from "../../src/core/schema.ts";
import { TroupeError } from "../../src/errors/troupe-error.ts";

const schema = z.strictObject({
  server: z.strictObject({ port: z.int().min(0).max(65535), host: z.string() }).optional(),
  names: z.array(z.strictObject({ label: z.string() })).default([]),
});

function failure(value: unknown): TroupeError {
  try {
    parse(schema, value, { code: "invalid_config", what: "a.yaml" });
  } catch (error) {
    assert.ok(error instanceof TroupeError);
    return error;
  }
  return assert.fail("parsed");
}

test("a good value comes back typed, with defaults", () => {
  assert.deepEqual(parse(schema, {}, { code: "invalid_config", what: "a.yaml" }), { names: [] });
});

test("an unknown key is named with its path and the nearest known one", () => {
  const error = failure({ server: { prot: 1, port: 1, host: "" } });
  assert.equal(error.code, "invalid_config");
  assert.equal(error.message, 'a.yaml: unknown key "server.prot" (did you mean "port"?)');
  assert.equal(error.details["path"], "server.prot");
});

test("an unknown key inside a list is found too", () => {
  assert.match(
    failure({ names: [{ label: "x", labl: 1 }] }).message,
    /unknown key "names\.0\.labl" \(did you mean "label"\?\)/,
  );
});

test("a bad value is shown with its path", () => {
  const error = failure({ server: { port: 70000, host: "" } });
  assert.match(error.message, /"server\.port": .*65535.* \(got 70000\)/);
  assert.equal(error.details["path"], "server.port");
});
