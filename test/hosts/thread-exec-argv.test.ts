import assert from "node:assert/strict";
import { test } from "node:test";
import { threadExecArgv } from "../../src/hosts/thread-exec-argv.ts";

test("a worker takes over its process's options", () => {
  assert.equal(threadExecArgv([]), undefined);
  assert.equal(threadExecArgv(["--enable-source-maps", "-e", "code"]), undefined);
});

test("a program given on the command line hands on its loaders only", () => {
  const execArgv = [
    "--input-type=module",
    "--import",
    "./loader.mjs",
    "--conditions=dev",
    "--eval",
    "--import",
  ];
  assert.deepEqual(threadExecArgv(execArgv), ["--import", "./loader.mjs", "--conditions=dev", "--import"]);
});
