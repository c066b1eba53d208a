import assert from "node:assert/strict";
import { test } from "node:test";
import { looseBoolean, looseInteger, looseNumber } from "../../src/protocol/loose-fields.ts";

test("every word that pydantic v1 took for a boolean is one, in any case", () => {
  const yes = [true, 1, "1", "on", "t", "True", "TRUE", "y", "Yes"];
  const no = [false, 0, "0", "off", "f", "False", "FALSE", "n", "No"];
  assert.deepEqual(
    yes.map((value) => looseBoolean.parse(value)),
    yes.map(() => true),
  );
  assert.deepEqual(
    no.map((value) => looseBoolean.parse(value)),
    no.map(() => false),
  );
  for (const value of ["", "maybe", 2, -1, [], {}, null])
    assert.equal(looseBoolean.safeParse(value).success, false, JSON.stringify(value));
});

test("numbers may be quoted; what is no number, and a fraction for a whole one, is refused", () => {
  assert.deepEqual(
    ["55", " 55 ", "+5", 55].map((value) => looseInteger.parse(value)),
    [55, 55, 5, 55],
  );
  assert.deepEqual(
    ["0.5", ".5", "1e-3", 2].map((value) => looseNumber.parse(value)),
    [0.5, 0.5, 0.001, 2],
  );
  for (const value of ["", "5.5", "0x10", "five", true, null])
    assert.equal(looseInteger.safeParse(value).success, false, JSON.stringify(value));
  for (const value of ["", "NaN", "Infinity", "1,5", [], false])
    assert.equal(looseNumber.safeParse(value).success, false, JSON.stringify(value));
});
