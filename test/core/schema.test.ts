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
  assert.equal(error.details.path, "server.prot");
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
  assert.equal(error.details.path, "server.port");
});

const mixed = z.strictObject({
  prompt: z
    .union([
      z.string(),
      z.array(z.string()),
      z.strictObject({ kind: z.literal("ids"), ids: z.array(z.int()) }),
    ])
    .optional(),
  count: z.int().min(1).max(10).optional(),
  share: z.number().gt(0).optional(),
  mode: z.enum(["fast", "exact"]).optional(),
  on: z.boolean().optional(),
  name: z.string().min(1).optional(),
  limit: z.union([z.null(), z.int().min(1)]).optional(),
  own: z.int().max(3, "must stay below the fourth floor").optional(),
  server: z.strictObject({ port: z.int() }).optional(),
  needed: z.int().default(0),
});

for (const [title, value, message] of [
  ["a number in quotes", { count: "3" }, '"count": must be a number; write it without quotes (got "3")'],
  ["a fraction where a whole number belongs", { count: 1.5 }, '"count": must be a whole number (got 1.5)'],
  ["a number below its range", { count: 0 }, '"count": must be at least 1 (got 0)'],
  ["a number at an excluded limit", { share: 0 }, '"share": must be more than 0 (got 0)'],
  [
    "a truth value in quotes",
    { on: "yes" },
    '"on": must be true or false; write true or false, without quotes (got "yes")',
  ],
  [
    "a mistyped choice",
    { mode: "exat" },
    '"mode": must be "fast" or "exact"; did you mean "exact"? (got "exat")',
  ],
  ["an empty text", { name: "" }, '"name": must not be empty (got "")'],
  ["a schema's own words", { own: 4 }, '"own": must stay below the fourth floor (got 4)'],
  ["no branch of a union", { prompt: 3 }, '"prompt": must be a string, or a list, or an object (got 3)'],
  ["the meant branch of a union", { prompt: ["a", 2] }, '"prompt.1": must be a string (got 2)'],
  [
    "a missing key inside a union",
    { prompt: { kind: "ids" } },
    '"prompt.ids": is missing; it must be a list',
  ],
  [
    "an unknown key inside a union",
    { prompt: { kind: "ids", ids: [], id: 1 } },
    'unknown key "prompt.id" (did you mean "ids"?)',
  ],
  ["a nullable number", { limit: 0 }, '"limit": must be at least 1 (got 0)'],
  ["a key of a section at the top", { port: 1 }, 'unknown key "port" (did you mean "server.port"?)'],
  ["something else than an object", [], "must be an object (got [])"],
] as const) {
  test(`${title} is explained`, () => {
    assert.throws(() => parse(mixed, value, { code: "invalid_config", what: "x" }), {
      message: `x: ${message}`,
    });
  });
}

test("many problems and large, circular or odd values still make a short message", () => {
  const circular: Record<string, unknown> = {};
  circular.self = circular;
  const text = "x".repeat(1_000_000);
  for (const value of [
    { prompt: Array(100_000).fill(1) },
    { mode: text },
    { mode: [circular, text] },
    { count: 10n },
  ]) {
    assert.throws(
      () => parse(mixed, value, { code: "invalid_config", what: "x" }),
      (error: TroupeError) => error.message.length < 1000,
    );
  }
  const list = z.array(z.int());
  assert.throws(
    () => parse(list, Array(50).fill("a"), { code: "invalid_config", what: "x" }),
    /; and 42 more$/,
  );
});
