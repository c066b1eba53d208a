import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { floatText, parseNumberJson, WholeFloat } from "../../src/servables/number-json.ts";

test("numbers written as floats stay floats, however whole they are", () => {
  assert.deepEqual(parseNumberJson('[1, 1.0, 2.5, 1e2, -0.0, 10E+1, "1.0", 1e-2]'), [
    1,
    new WholeFloat(1),
    2.5,
    new WholeFloat(100),
    new WholeFloat(-0),
    new WholeFloat(100),
    "1.0",
    0.01,
  ]);
});

test("a text without whole floats is parsed as JSON.parse does it", () => {
  fc.assert(
    fc.property(fc.json({ noUnicodeString: false } as object), (text) => {
      const plain = (value: unknown): unknown => {
        if (value instanceof WholeFloat) return value.value;
        if (Array.isArray(value)) return value.map(plain);
        if (typeof value !== "object" || value === null) return value;
        return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, plain(field)]));
      };
      assert.deepEqual(JSON.stringify(plain(parseNumberJson(text))), JSON.stringify(JSON.parse(text)));
    }),
    { numRuns: 200 },
  );
});

test("what is no JSON, or is nested beyond the stack, is said in one line", () => {
  for (const text of [
    "",
    "{",
    '{"a": nul}',
    `${"[".repeat(1e6)}1.0`,
    `${"[".repeat(2e5)}1.0${"]".repeat(2e5)}`,
  ]) {
    assert.throws(
      () => parseNumberJson(text),
      (error) => error instanceof TroupeError && error.message.startsWith("Illegal JSON format."),
    );
  }
});

for (const [value, text] of [
  [3, "3.0"],
  [0, "0.0"],
  [-0, "-0.0"],
  [-2.5, "-2.5"],
  [0.1, "0.1"],
  [Math.fround(6.6), "6.599999904632568"],
  [1e14, "100000000000000.0"],
  [1e15, "1e+15"],
  [0.0001, "0.0001"],
  [0.00001, "1e-05"],
  [1.5e-7, "1.5e-07"],
  [-1e100, "-1e+100"],
  [Number.NaN, "null"],
  [Number.POSITIVE_INFINITY, "null"],
] as const) {
  test(`${value} is written ${text}`, () => assert.equal(floatText(value), text));
}

test("a float that was written reads back as the same float, and as a float", () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      const text = floatText(value);
      assert.ok(Object.is(Number(text), value));
      assert.match(text, /[.e]/);
    }),
    { numRuns: 500 },
  );
});
