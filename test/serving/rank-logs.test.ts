import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { defaultConfig } from "../../src/config/defaults.ts";
import type { LogRecord } from "../../src/runtime/actor-types.ts";
import { withRankLogs } from "../../src/serving/rank-logs.ts";

const folder = mkdtempSync(join(tmpdir(), "troupe-rank-logs-"));
after(() => rmSync(folder, { recursive: true }));

const record = (actor: string, message: string): LogRecord => ({
  level: "debug",
  actor,
  message,
  fields: { numSteps: 3 },
});

test("each rank's records go to a file of its own, and all of them where they went before", () => {
  const all: LogRecord[] = [];
  const rankDir = join(folder, "new", "logs");
  const log = withRankLogs((each) => void all.push(each), {
    ...defaultConfig().log,
    level: "error",
    rankDir,
  });
  for (const actor of [
    "model-agent-0",
    "model-agent-1",
    "scheduler",
    "model-agent-1",
    "engine-1/model-agent-0",
  ])
    log(record(actor, `from ${actor}`));
  assert.equal(all.length, 5);
  assert.deepEqual(readdirSync(rankDir), ["engine-1-worker_0.log", "worker_0.log", "worker_1.log"]);
  const lines = readFileSync(join(rankDir, "worker_1.log"), "utf8").trimEnd().split("\n");
  assert.equal(lines.length, 2);
  assert.match(lines[0]!, /DEBUG from model-agent-1 .*numSteps=3/);
});

test("without a folder nothing is added", () => {
  const log = (): void => undefined;
  assert.equal(withRankLogs(log, defaultConfig().log), log);
});

test("a folder that cannot be made is told at once", () => {
  const rankDir = join(folder, "file");
  writeFileSync(rankDir, "");
  assert.throws(() => withRankLogs(() => undefined, { ...defaultConfig().log, rankDir }), {
    code: "file_error",
    message: /Cannot write the logs of ranks to .*--log-dir/,
  });
});
