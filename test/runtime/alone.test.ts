/**
 * The runtime needs no thread, no native code and no model: Node's permission model denies them to these runs of its
 * suites.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const SUITES = ["inline-actors", "inline-families", "inline-stress", "supervision", "actor-node", "tracing"];

test("the runtime passes its suites where threads, add-ons, processes and writing are denied", async () => {
  const runs = SUITES.map(async (name) => {
    const file = fileURLToPath(new URL(`./${name}.test.ts`, import.meta.url));
    const options = ["--permission", "--allow-fs-read=*"];
    const { NODE_TEST_CONTEXT: _inner, ...env } = process.env;
    const { stdout } = await promisify(execFile)(process.execPath, [...options, file], { env });
    assert.match(stdout, /pass [1-9]/, name);
    assert.match(stdout, /fail 0/, name);
  });
  await Promise.all(runs);
});

test("and there threads are indeed denied", async () => {
  const program = "new (await import('node:worker_threads')).Worker('', { eval: true })";
  const run = promisify(execFile)(process.execPath, ["--permission", "--input-type=module", "-e", program]);
  await assert.rejects(run, /ERR_ACCESS_DENIED/);
});
