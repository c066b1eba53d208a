import assert from "node:assert/strict";
import { test } from "node:test";
import { runCli } from "../../src/cli/run-cli.ts";
import type { TroupeConfig } from "../../src/config/config.ts";
import { fakeRun } from "./fake-context.ts";

/** The configuration that a command line comes to, or the exit code and what was written. */
async function launch(args: readonly string[]) {
  let config: TroupeConfig | undefined;
  const run = fakeRun({ args: ["launch", ...args] });
  const { services } = run.context;
  const startEngine: typeof services.startEngine = async (given, onProgress) => {
    config = given;
    return await services.startEngine(given, onProgress);
  };
  const exit = runCli({ ...run.context, services: { ...services, startEngine } });
  const started = run.shown("Ctrl-C stops it.").then(() => run.signal("SIGTERM"));
  await Promise.race([exit, started]);
  return { exit: await exit, config, err: run.err() };
}

test("launch starts a rank for each device, with flags of serve", async () => {
  const { exit, config } = await launch([
    ...["--devices", "cpu:0,cpu:1", "--devices", "cpu:2"],
    ...["--threads-per-rank", "3", "--log-dir", "/logs", "--port", "0"],
  ]);
  assert.equal(exit, 0);
  const { devices, tensorParallel, threads } = config!.engine;
  assert.deepEqual(
    { devices, tensorParallel, threads },
    { devices: ["cpu:0", "cpu:1", "cpu:2"], tensorParallel: null, threads: 3 },
  );
  assert.equal(config!.log.rankDir, "/logs");
});

test("launch refuses what names no device, in one line", async () => {
  assert.match(
    (await launch([])).err,
    /^troupe: --devices is missing: name one for each rank, as cpu:0,cpu:1\.\n$/,
  );
  const { exit, err } = await launch(["--devices", "cpu:0,gpu:1"]);
  assert.equal(exit, 1);
  assert.match(err, /^troupe: .*must be cpu:K, cuda:K, webgpu:K, dml:K or coreml.*"gpu:1".*\n$/);
});
