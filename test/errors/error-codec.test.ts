import assert from "node:assert/strict";
import { test } from "node:test";
import { MessageChannel, receiveMessageOnPort } from "node:worker_threads";
import fc from "fast-check";
import { decodeError, type EncodedError, encodeError } from "../../src/errors/error-codec.ts";
import { ERROR_CODES, type ErrorCode } from "../../src/errors/error-codes.ts";
import { TroupeError } from "../../src/errors/troupe-error.ts";

/** Through a real port, as between threads. */
function travel(thrown: unknown): unknown {
  const { port1, port2 } = new MessageChannel();
  port1.postMessage(encodeError(thrown));
  const received = receiveMessageOnPort(port2);
  port1.close();
  assert.ok(received !== undefined);
  return decodeError(received.message as EncodedError);
}

test("a TroupeError keeps code, flags, details, message, stack and its chain of causes", () => {
  const cause = new TypeError("not a number", { cause: new TroupeError("file_error", "gone") });
  const error = new TroupeError("queue_full", "full", { details: { limit: 8, path: ["a"] }, cause });
  const back = travel(error);
  assert.ok(back instanceof TroupeError);
  assert.equal(back.code, "queue_full");
  assert.equal(back.retryable, true);
  assert.equal(back.overloaded, true);
  assert.equal(back.status, 429);
  assert.deepEqual(back.details, { limit: 8, path: ["a"] });
  assert.equal(back.message, "full");
  assert.equal(back.stack, error.stack);
  assert.ok(back.cause instanceof TypeError);
  assert.equal(back.cause.message, "not a number");
  assert.ok(back.cause.cause instanceof TroupeError);
  assert.equal(back.cause.cause.code, "file_error");
});

test("every code travels with its flags", () => {
  for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) {
    const error = new TroupeError(code, `about ${code}`, { details: { code } });
    const back = travel(error);
    assert.ok(back instanceof TroupeError);
    const fields = ({ code, message, details, status, retryable, overloaded }: TroupeError) => ({
      code,
      message,
      details,
      status,
      retryable,
      overloaded,
    });
    assert.deepEqual(fields(back), fields(error));
  }
});

test("native errors keep their class, own fields and name", () => {
  const system = Object.assign(new Error("no such file"), { code: "ENOENT", errno: -2, path: "a.txt" });
  const back = travel(system) as Error & { code: string; path: string };
  assert.ok(back instanceof Error);
  assert.equal(back.code, "ENOENT");
  assert.equal(back.path, "a.txt");
  for (const Class of [RangeError, SyntaxError, ReferenceError, EvalError, URIError, TypeError]) {
    assert.ok(travel(new Class("x")) instanceof Class);
  }
  class OwnError extends Error {
    override name = "OwnError";
  }
  const own = travel(new OwnError("mine")) as Error;
  assert.equal(own.name, "OwnError");
  assert.equal(own.message, "mine");
});

test("an AggregateError keeps its errors, a DOMException its name", () => {
  const back = travel(
    new AggregateError([new TroupeError("cancelled", "a"), new TypeError("b"), "c"], "many"),
  );
  assert.ok(back instanceof AggregateError);
  assert.equal(back.message, "many");
  assert.equal(back.errors.length, 3);
  assert.ok(back.errors[0] instanceof TroupeError);
  assert.ok(back.errors[1] instanceof TypeError);
  assert.equal(back.errors[2], "c");
  const abort = travel(AbortSignal.abort().reason);
  assert.ok(abort instanceof DOMException);
  assert.equal(abort.name, "AbortError");
});

test("what is no error comes back as data", () => {
  for (const value of [undefined, null, 0, 1n, "text", true, { a: [1, { b: 2 }] }]) {
    assert.deepEqual(travel(value), value);
  }
  assert.equal(travel(Symbol("s")), "Symbol(s)");
  assert.equal(
    travel(() => 1),
    "[function ]",
  );
});

test("details that cannot be cloned become text instead of failing the answer", () => {
  const error = new TroupeError("internal", "x", {
    details: { check: () => true, big: new Uint8Array(9), inner: new Error("e") },
  });
  const back = travel(error) as TroupeError;
  assert.deepEqual(back.details, {
    check: "[function check]",
    big: "[Uint8Array of 9 bytes]",
    inner: "Error: e",
  });
});

test("a cycle of causes ends, unknown codes become internal, garbage is an internal error", () => {
  const a = new Error("a");
  const b = new Error("b", { cause: a });
  a.cause = b;
  let depth = 0;
  for (let at: unknown = travel(a); at instanceof Error; at = at.cause) depth++;
  assert.ok(depth > 2 && depth < 20);
  const alien = { ...(encodeError(new TroupeError("cancelled", "x")) as object), code: "from_the_future" };
  assert.equal((decodeError(alien as EncodedError) as TroupeError).code, "internal");
  assert.equal((decodeError(null as unknown as EncodedError) as TroupeError).code, "internal");
});

test("hostile values neither throw nor hinder the clone", () => {
  const hostile: unknown[] = [
    Object.defineProperty(new Error("x"), "message", { get: () => assert.fail("getter") }),
    Object.defineProperty(new TroupeError("cancelled", "x"), "details", { get: () => assert.fail("getter") }),
    new Proxy(new Error("x"), { get: () => assert.fail("trap"), getPrototypeOf: () => assert.fail("trap") }),
    new Proxy({}, { ownKeys: () => assert.fail("trap") }),
    Object.create(null),
    Object.assign(new Error("x"), { constructor: null, socket: new Map([["f", () => 1]]), __proto__: null }),
  ];
  for (const value of hostile) assert.doesNotThrow(() => travel(value));
});

test("anything that can be thrown can be encoded, cloned and decoded", () => {
  const anything = fc.anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withSet: true,
    withTypedArray: true,
  });
  fc.assert(
    fc.property(anything, fc.boolean(), (value, asCause) => {
      const thrown = asCause ? Object.assign(new Error("e", { cause: value }), { extra: value }) : value;
      decodeError(structuredClone(encodeError(thrown)));
    }),
    { numRuns: 200 },
  );
});
