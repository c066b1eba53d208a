import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const MIB = 2 ** 20;

test("100,000 spawns, asks and stops leave every table empty and the heap as it was", async () => {
  const program = fileURLToPath(new URL("./leaks-program.ts", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, ["--expose-gc", program]);
  const { grownBytes, ...left } = JSON.parse(stdout) as { grownBytes: number };
  assert.deepEqual(left, {
    actors: ["survivor"],
    members: [{ actor: "survivor" }],
    numPendingCalls: 0,
    numTimers: 0,
  });
  assert.ok(grownBytes < 8 * MIB, `the heap grew by ${Math.round(grownBytes / MIB)} MiB`);
});
