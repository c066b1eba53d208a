import assert from "node:assert/strict";
import { test } from "node:test";
import { invariant, TroupeError, toTroupeError } from "../../src/errors/troupe-error.ts";

test("flags and status follow from the code", () => {
  const error = new TroupeError("queue_full", "The queue is full.", { details: { limit: 2 } });
  assert.deepEqual([error.retryable, error.overloaded, error.status], [true, true, 429]);
  assert.deepEqual(error.details, { limit: 2 });
});

test("instanceof knows an error of another copy of the package by its brand", () => {
  const foreign = { [Symbol.for("troupe.error")]: true };
  assert.ok(foreign instanceof TroupeError);
  assert.ok(!(new Error("plain") instanceof TroupeError));
});

test("a foreign error becomes internal with itself as cause", () => {
  const cause = new RangeError("x");
  const error = toTroupeError(cause);
  assert.deepEqual([error.code, error.cause], ["internal", cause]);
  assert.equal(toTroupeError(error), error);
});

test("a broken invariant says which", () => {
  assert.throws(() => invariant(false, "pages add up"), /pages add up/);
});
