/** Runs the marked commands of README.md as they stand there, on a port of the test's own. */
import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { markedBlocks } from "./readme-blocks.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
const blocks = markedBlocks(readme);
const ADDRESS = "127.0.0.1:8000";
const isWindows = process.platform === "win32";

let server: ChildProcess;
let address = "";

before(
  async () => {
    const block = blocks.find(({ how }) => how === "server");
    assert.equal(block?.code, "npm start");
    server = spawn("npm", ["start", "--silent", "--", "--port", "0"], {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "inherit"],
      shell: isWindows,
      detached: !isWindows,
    });
    for await (const line of createInterface({ input: server.stdout! })) {
      address = /HTTP +http:\/\/(\S+)\/v1/.exec(line)?.[1] ?? address;
      if (line.startsWith("Ctrl-C")) return;
    }
    assert.fail("the server ended before it was ready");
  },
  { timeout: 120_000 },
);

after(async () => {
  if (server.exitCode !== null) return;
  const exited = once(server, "exit");
  // The group, as a terminal's Ctrl-C does: npm, its shell and the server.
  process.kill(isWindows ? server.pid! : -server.pid!, "SIGINT");
  await exited;
});

for (const block of blocks.filter(({ how }) => how !== "server")) {
  const title = block.code.split("\n").find((line) => line.trim() !== "") ?? "";
  test(`README: ${title}`, { skip: isWindows, timeout: 60_000 }, async () => {
    const code = block.code.replaceAll(ADDRESS, address);
    const output = await (block.language === "js" ? runProgram(code) : runCommand(code));
    assert.ok(output.includes(block.shows), `${JSON.stringify(block.shows)} is not in:\n${output}`);
  });
}

test("every kind of block is there", () => {
  assert.deepEqual(new Set(blocks.map(({ how }) => how)), new Set(["server", "client", "offline"]));
  assert.equal(readme.match(/<!-- run:/g)?.length, blocks.length);
});

function runCommand(code: string): Promise<string> {
  return runFile("bash", ["-euo", "pipefail", "-c", code]);
}

/** As a module in the repository's folder, so that packages resolve. */
function runProgram(code: string): Promise<string> {
  return runFile(process.execPath, ["--input-type=module", "--eval", code]);
}

function runFile(file: string, args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(file, args, { cwd: ROOT }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${error.message}\n${stdout}\n${stderr}`));
    });
    child.stdin?.end();
  });
}
