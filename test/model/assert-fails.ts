import assert from "node:assert/strict";
import type { ErrorCode } from "../../src/errors/error-codes.ts";
import { TroupeError } from "../../src/errors/troupe-error.ts";

/** Asserts a TroupeError of this code whose message has every one of the parts. */
export async function assertFails(
  run: () => unknown,
  code: ErrorCode,
  ...parts: readonly string[]
): Promise<void> {
  await assert.rejects(
    async () => run(),
    (error) => {
      assert.ok(error instanceof TroupeError, `not a TroupeError: ${String(error)}`);
      assert.equal(error.code, code, error.message);
      for (const part of parts) assert.ok(error.message.includes(part), `"${error.message}" lacks "${part}"`);
      return true;
    },
  );
}
