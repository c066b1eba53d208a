import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ROOT } from "./server-process.ts";

const folder = mkdtempSync(join(tmpdir(), "troupe-launch-"));
after(() => rmSync(folder, { recursive: true }));

/** Stands in for troupe: prints its arguments, one on each line. */
const program = join(folder, "troupe");
writeFileSync(program, "#!/bin/sh\nprintf '%s\\n' \"$@\"\n", { mode: 0o755 });
const logDir = join(folder, "logs");

function launch(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const { status, stdout, stderr } = spawnSync("bash", [`${ROOT}examples/launch-multi-device.sh`, ...args], {
    cwd: folder,
    env: { ...process.env, TROUPE: program, ...env },
    encoding: "utf8",
  });
  return { status, lines: stdout.trimEnd().split("\n"), stderr };
}

const cluster = ["2", "127.0.0.1", "8118", "0", logDir, "True", "7200"];

test("nine arguments: a rank for each device, in the foreground", () => {
  const { status, lines } = launch(["serve --port 9000", "2", ...cluster], { THREADS_PER_RANK: "3" });
  assert.equal(status, 0);
  assert.deepEqual(lines, [
    ...["launch", "--devices", "cpu:0,cpu:1", "--log-dir", logDir],
    ...["--threads-per-rank", "3", "--port", "9000"],
  ]);
});

test("six arguments, with devices of another kind", () => {
  const { lines } = launch(["", "3", "8118", logDir, "true", "7200"], { DEVICE_KIND: "cuda" });
  assert.deepEqual(lines, ["launch", "--devices", "cuda:0,cuda:1,cuda:2", "--log-dir", logDir]);
});

test("quotes inside the command hold, and nothing in it is run", () => {
  const command = `--model './my model' --served-model-name "a 'b' c" $(touch ran) \`id\` $HOME`;
  const { lines } = launch([command, "2", ...cluster]);
  assert.deepEqual(lines.slice(5), [
    ...["--model", "./my model", "--served-model-name", "a 'b' c"],
    ...["$(touch", "ran)", "`id`", "$HOME"],
  ]);
  assert.ok(!existsSync(join(folder, "ran")));
});

test("one and two arguments leave the server in the background, with a log", () => {
  for (const [args, numRanks] of [
    [["--port 0"], 8],
    [["--port 0", "4"], 4],
  ] as const) {
    const { status, lines } = launch(args);
    assert.equal(status, 0);
    assert.match(lines[0]!, /^process \d+, logs in output\/msrun_log$/);
    const log = join(folder, "output/msrun_log/server.log");
    const devices = Array.from({ length: numRanks }, (_, rank) => `cpu:${rank}`).join(",");
    while (!existsSync(log) || !readFileSync(log, "utf8").includes(`${devices}\n`));
  }
});

test("other numbers of arguments and what only a cluster has are refused", () => {
  for (const args of [[], ["a", "2", "3"], Array.from({ length: 10 }, () => "1")]) {
    const { status, lines } = launch(args);
    assert.equal(status, 1);
    assert.match(lines.join("\n"), /CLUSTER_TIME_OUT/);
  }
  assert.match(launch(["", "two"]).stderr, /WORKER_NUM must be a number/);
  assert.match(launch(["", "4", ...cluster]).stderr, /LOCAL_WORKER must be WORKER_NUM \(4\)/);
  assert.match(launch(["", "2", "1", logDir, "maybe", "1"]).stderr, /JOIN must be True or False/);
  assert.match(launch(["--model 'x", "2", ...cluster]).stderr, /a quote that does not end/);
});
