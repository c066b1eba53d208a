import assert from "node:assert/strict";
import { resolve } from "node:path";
import { test } from "node:test";
import { runCli } from "../../src/cli/run-cli.ts";
import type { ExportRequest } from "../../src/cli/services.ts";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { fakeRun } from "./fake-context.ts";

test("export shows progress on stderr and says where the graphs lie", async () => {
  const run = fakeRun({ args: ["export", "--model", "models/understudy", "--output", "out"] });
  assert.equal(await runCli(run.context), 0);
  assert.equal(run.err(), "Exporting understudy: 50% prefill\n");
  assert.equal(run.out(), `Written: ${resolve("out")} (2.0 KiB of weights)\n`);
});

test("precision and length go along", async () => {
  const requests: ExportRequest[] = [];
  const exportModel = async (request: ExportRequest) => {
    requests.push(request);
    return { folder: "out", weightBytes: 1 };
  };
  const args = ["export", "-m", "a", "-o", "b", "-p", "w4", "--max-model-len", "512"];
  assert.equal(await runCli(fakeRun({ args, services: { exportModel } }).context), 0);
  assert.deepEqual([requests[0]?.precision, requests[0]?.maxModelLen], ["w4", 512]);
});

test("a signal stops the export and exits 130 without an error", async () => {
  const exportModel = ({ signal }: ExportRequest) =>
    new Promise<never>((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(new TroupeError("cancelled", "Cancelled.")));
      run.signal("SIGINT");
    });
  const run = fakeRun({ args: ["export", "-m", "a", "-o", "b"], services: { exportModel } });
  assert.equal(await runCli(run.context), 130);
  assert.equal(run.err(), "");
});

test("what is missing is asked for by its flag", async () => {
  const run = fakeRun({ args: ["export", "--model", "a"] });
  assert.equal(await runCli(run.context), 2);
  assert.match(run.err(), /export needs --output/);
});
