import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { modelPath } from "./test-engine.ts";

test("50 engines stopped in the middle of a step: every stream ends with a coded error, and the process never aborts", async () => {
  const program = fileURLToPath(new URL("./stop-program.ts", import.meta.url));
  const args = [program, modelPath("test/golden/models/llama2"), join(tmpdir(), "troupe-test-cache"), "25"];
  // two at a time, for the machine's two cores
  const runs = [0, 1].map(() => promisify(execFile)(process.execPath, args, { timeout: 120_000 }));
  for (const { stdout, stderr } of await Promise.all(runs)) {
    assert.equal(stdout, "25 stopped, 100 streams cut\n");
    assert.equal(stderr, "");
  }
});
