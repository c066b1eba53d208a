import assert from "node:assert/strict";
import { test } from "node:test";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { createLogger } from "../../src/serving/logger.ts";
import { formatLogLine } from "../../src/serving/pretty-log.ts";

function capture(format: "json" | "pretty"): { lines: string[]; logger: ReturnType<typeof createLogger> } {
  const lines: string[] = [];
  const logger = createLogger(
    { level: "info", format },
    { write: (line) => void lines.push(line), useColor: false },
  );
  return { lines, logger };
}

test("json lines carry level, time, message and fields; lower levels are left out", () => {
  const { lines, logger } = capture("json");
  logger.debug({}, "too fine");
  logger.child({ actor: "edge" }).warn({ port: 8000 }, "careful");
  assert.equal(lines.length, 1);
  const { time, ...line } = JSON.parse(lines[0]!) as Record<string, unknown>;
  assert.equal(typeof time, "number");
  assert.deepEqual(line, { level: 40, actor: "edge", port: 8000, msg: "careful" });
});

test("pretty lines are one line for people", () => {
  const time = Date.UTC(2025, 0, 2, 3, 4, 5, 6);
  const line = JSON.stringify({
    level: 30,
    time,
    msg: "request",
    path: "/v1/models",
    note: "two words",
    ms: 3,
  });
  assert.equal(
    formatLogLine(line, false),
    '03:04:05.006 INFO  request path=/v1/models note="two words" ms=3\n',
  );
  assert.equal(formatLogLine(line, true).includes("\u001b[32mINFO \u001b[0m"), true);
});

test("errors are shown with their stack, indented", () => {
  const { lines, logger } = capture("pretty");
  logger.error({ err: new TroupeError("internal", "broken") }, "a request failed");
  assert.match(lines[0]!, /ERROR a request failed\n {4}TroupeError: broken\n {8}at /);
});

test("a field cannot forge a line", () => {
  const { lines, logger } = capture("pretty");
  logger.info({ path: "/x\n00:00:00.000 FATAL forged" }, "request");
  assert.equal(lines[0]!.split("\n").length, 2);
});
