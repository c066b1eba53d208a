import assert from "node:assert/strict";
import { test } from "node:test";
import { PythonFloat, toPythonJson } from "../../src/protocol/python-json.ts";

test("separators, literals and text are those of json.dumps with ensure_ascii off", () => {
  const value = { a: [1, 2.5, true, null], b: { text: 'é "quoted"\n' }, empty: [{}, []], gone: undefined };
  assert.equal(
    toPythonJson(value),
    '{"a": [1, 2.5, true, null], "b": {"text": "é \\"quoted\\"\\n"}, "empty": [{}, []]}',
  );
});

// repr() of Python 3.12 for each value
for (const [value, text] of [
  [0, "0.0"],
  [-0.5, "-0.5"],
  [12, "12.0"],
  [1e-7, "1e-07"],
  [0.0001, "0.0001"],
  [0.00001234, "1.234e-05"],
  [1e16, "1e+16"],
  [123456789012345680, "1.2345678901234568e+17"],
  [-3.0517578125e-5, "-3.0517578125e-05"],
  [1e22, "1e+22"],
  [Number.NEGATIVE_INFINITY, "-Infinity"],
] as const) {
  test(`the float ${text} is written as Python writes it`, () => {
    assert.equal(toPythonJson(new PythonFloat(value)), text);
  });
}
