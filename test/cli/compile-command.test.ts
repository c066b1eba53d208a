import assert from "node:assert/strict";
import { test } from "node:test";
import { runCli } from "../../src/cli/run-cli.ts";
import type { CompileRequest } from "../../src/cli/services.ts";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { fakeRun } from "./fake-context.ts";

test("compile shows progress on stderr and says where the result lies", async () => {
  const run = fakeRun({ args: ["compile", "--model", "models/understudy", "--precision", "w4"] });
  assert.equal(await runCli(run.context), 0);
  assert.equal(run.err(), "Compiling understudy to w4: 50% layer 1\n");
  assert.equal(run.out(), "Compiled: cache of w4 (2.0 KiB)\n");
});

test("with ranks, what each of them computes is compiled", async () => {
  const places: unknown[] = [];
  const compile = async ({ place }: CompileRequest) => {
    places.push(place);
    return { folder: `rank ${place?.rank}`, weightBytes: 10, wasCompiled: true };
  };
  const run = fakeRun({ args: ["compile", "--tp", "2"], services: { compile } });
  assert.equal(await runCli(run.context), 0);
  assert.deepEqual(places, [
    { rank: 0, size: 2 },
    { rank: 1, size: 2 },
  ]);
  assert.equal(run.out(), "Compiled: rank 0 (10 B)\nCompiled: rank 1 (10 B)\n");
});

test("a compiled model is told as such", async () => {
  const compile = async () => ({ folder: "there", weightBytes: 10, wasCompiled: false });
  const run = fakeRun({ args: ["compile"], services: { compile } });
  assert.equal(await runCli(run.context), 0);
  assert.equal(run.out(), "Already compiled: there (10 B)\n");
});

test("a signal cancels the compilation and exits 130 without an error", async () => {
  const compile = ({ signal }: CompileRequest) =>
    new Promise<never>((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(new TroupeError("cancelled", "Cancelled.")));
      run.signal("SIGINT");
    });
  const run = fakeRun({ args: ["compile"], services: { compile } });
  assert.equal(await runCli(run.context), 130);
  assert.equal(run.err(), "");
});
