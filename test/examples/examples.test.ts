import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { ROOT, type ServerProcess, startServerProcess } from "./server-process.ts";

/** What each example must show. */
const EXPECTED: Readonly<Record<string, readonly RegExp[]>> = {
  "cancel-and-deadlines.ts": [
    /left after 12 events/,
    /aborted: cancelled/,
    /deadline: cancelled/,
    /free pages: (\d+) of \1/,
  ],
  "classify-stripes.ts": [
    /REST: \{"instances":\[\{"label":"rows"\},\{"label":"columns"\},\{"label":"rising"\}\]\}/,
    /gRPC: \[\s+\{ label: 'rising' \},\s+\{\s+error: "Call Preprocess Failed, .*not 3\."\s+\},\s+\{ label: 'rows' \}/,
  ],
  "in-process.ts": [/The capital of France is Paris\./, /17 plus 15 is 32\./, /p-e-n-g-u-i-n/],
  "onnx-graphs.ts": [/precision: onnx/, /The capital of France is Paris\./],
  "openai-client.ts": [/^1, 2, 3, .* 12\.$/m, /Hello! How can I help you today\?/, /token: 'Hello'/],
  "spawn-your-own-actor.ts": [
    /The capital of France is Paris\./,
    /refused: This server does not talk about that\./,
    /refused in all: 1/,
  ],
  "stream-with-credits.ts": [/read 50, never more than the window ahead: true/, /the producer was cancelled/],
  "supervised-restart.ts": [
    /before: 42/,
    /down: near \(crash\)/,
    /meanwhile: actor_down, retryable: true/,
    /restarted: near, far/,
    /after: null/,
  ],
  "websocket-streaming.ts": [/a done: 1, 2, 3/, /b done: After Monday comes Tuesday\./, /c done: Penguin/],
};

let server: ServerProcess;
before(async () => {
  server = await startServerProcess();
});
after(() => server[Symbol.asyncDispose]());

for (const name of readdirSync(`${ROOT}examples`).filter((file) => file.endsWith(".ts"))) {
  test(`examples/${name} runs and shows what it promises, in under 60 lines`, {
    timeout: 60_000,
  }, async () => {
    const expected = EXPECTED[name];
    assert.ok(expected, `say in EXPECTED what examples/${name} shows`);
    assert.ok(readFileSync(`${ROOT}examples/${name}`, "utf8").trimEnd().split("\n").length < 60);
    const env = { ...process.env, TROUPE_URL: server.url };
    const { stdout } = await promisify(execFile)(process.execPath, [`examples/${name}`], { cwd: ROOT, env });
    for (const pattern of expected) assert.match(stdout, pattern);
  });
}
