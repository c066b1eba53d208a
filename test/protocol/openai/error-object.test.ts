import assert from "node:assert/strict";
import { test } from "node:test";
import { ERROR_CODES, type ErrorCode } from "../../../src/errors/error-codes.ts";
import { TroupeError } from "../../../src/errors/troupe-error.ts";
import { toErrorObject } from "../../../src/protocol/openai/error-object.ts";

test("every code has a type that fits its status", () => {
  for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) {
    const { status } = ERROR_CODES[code];
    const expected =
      status === 429 ? "rate_limit_error" : status < 500 ? "invalid_request_error" : "server_error";
    assert.equal(toErrorObject(new TroupeError(code, "m")).type, expected, code);
  }
});

test("OpenAI's own codes are used where it has them", () => {
  assert.equal(toErrorObject(new TroupeError("prompt_too_long", "m")).code, "context_length_exceeded");
  assert.equal(toErrorObject(new TroupeError("unauthorized", "m")).code, "invalid_api_key");
  assert.equal(toErrorObject(new TroupeError("queue_full", "m")).code, "queue_full");
});

test("param is the named field, else the path of the schema; files have none", () => {
  const param = (code: ErrorCode, details: Record<string, unknown>): string | null =>
    toErrorObject(new TroupeError(code, "m", { details })).param;
  assert.equal(param("invalid_request", { param: "top_p", path: "x" }), "top_p");
  assert.equal(
    param("invalid_request", { path: "messages.0.content.12.text" }),
    "messages[0].content[12].text",
  );
  assert.equal(param("invalid_request", { path: "" }), null);
  assert.equal(param("file_error", { path: "models/a" }), null);
});
