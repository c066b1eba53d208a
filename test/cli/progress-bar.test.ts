import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { test } from "node:test";
import { showProgress } from "../../src/cli/progress-bar.ts";

function sink(fields: { isTTY: boolean }) {
  let text = "";
  const stream = new Writable({
    write(chunk, _encoding, done) {
      text += chunk;
      done();
    },
  });
  // What cli-progress asks of a terminal.
  const terminal = {
    columns: 80,
    rows: 24,
    clearLine: () => true,
    cursorTo: () => true,
    moveCursor: () => true,
  };
  return { stream: Object.assign(stream, fields, fields.isTTY ? terminal : {}), text: () => text };
}

test("outside a terminal a line is written every quarter of the way", () => {
  const { stream, text } = sink({ isTTY: false });
  const display = showProgress(stream, "Compiling m");
  for (let done = 0; done <= 100; done++) display.onProgress({ done, total: 100, label: `part ${done}` });
  display.stop();
  const lines = text().trimEnd().split("\n");
  assert.equal(lines.length, 5);
  assert.equal(lines[0], "Compiling m: 0% part 0");
  assert.equal(lines[4], "Compiling m: 100% part 100");
});

test("a second phase is shown from its beginning", () => {
  const { stream, text } = sink({ isTTY: false });
  const { onProgress } = showProgress(stream, "Compiling m");
  for (const label of ["reading", "writing"]) {
    for (const done of [0, 1, 2]) onProgress({ done, total: 2, label });
  }
  const percents = [...text().matchAll(/(\d+)% (\w+)/g)].map(([, percent, label]) => `${label} ${percent}`);
  assert.deepEqual(percents, [
    "reading 0",
    "reading 50",
    "reading 100",
    "writing 0",
    "writing 50",
    "writing 100",
  ]);
});

test("no steps at all write nothing", () => {
  for (const isTTY of [true, false]) {
    const { stream, text } = sink({ isTTY });
    showProgress(stream, "Compiling m").stop();
    assert.equal(text(), "");
  }
});

test("on a terminal a bar ends at the last step", () => {
  const { stream, text } = sink({ isTTY: true });
  const display = showProgress(stream, "Compiling m");
  display.onProgress({ done: 1, total: 2, label: "one" });
  display.onProgress({ done: 2, total: 2, label: "two" });
  display.stop();
  assert.match(text(), /Compiling m \[=+\] 100% two/);
});
