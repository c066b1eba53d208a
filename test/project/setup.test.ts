import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";

const SETUP = fileURLToPath(new URL("../../scripts/setup.mjs", import.meta.url));

/** An npm that notes its calls, takes a moment, and does as FAKE_NPM says. */
const FAKE_NPM = `
import { appendFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
appendFileSync("calls.txt", process.argv.slice(2).join(" ") + "\\n");
rmSync("node_modules", { recursive: true, force: true });
if (process.env.FAKE_NPM === "fail") process.exit(7);
while (process.env.FAKE_NPM === "wait" && !existsSync("go")) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
mkdirSync("node_modules");
`;

interface Project {
  readonly root: string;
  run(mode?: string): Promise<{ code: number; err: string }>;
  calls(): string[];
}

function project(t: TestContext): Project {
  const root = mkdtempSync(join(tmpdir(), "troupe-setup-"));
  t.after(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, "scripts"));
  cpSync(SETUP, join(root, "scripts", "setup.mjs"));
  writeFileSync(join(root, "package-lock.json"), "{}");
  writeFileSync(join(root, "npm-cli.mjs"), FAKE_NPM);
  return {
    root,
    calls: () => {
      const file = join(root, "calls.txt");
      return existsSync(file) ? readFileSync(file, "utf8").trimEnd().split("\n") : [];
    },
    async run(mode = "") {
      const env = { ...process.env, npm_execpath: join(root, "npm-cli.mjs"), FAKE_NPM: mode };
      const child = spawn(process.execPath, [join(root, "scripts", "setup.mjs")], { env, cwd: root });
      const [err, [code]] = await Promise.all([text(child.stderr), once(child, "exit")]);
      return { code, err };
    },
  };
}

test("the first run installs, dev dependencies included; the second does no work and says nothing", async (t) => {
  const { run, calls } = project(t);
  const first = await run();
  assert.equal(first.code, 0);
  assert.match(first.err, /Installing dependencies/);
  assert.deepEqual(await run(), { code: 0, err: "" });
  assert.equal(calls().length, 1);
  assert.match(calls()[0]!, /^ci --include=dev /);
});

test("a changed lock file installs again", async (t) => {
  const { root, run, calls } = project(t);
  await run();
  writeFileSync(join(root, "package-lock.json"), '{"changed":true}');
  assert.equal((await run()).code, 0);
  assert.equal(calls().length, 2);
});

test("modules that another checkout lends are used as they are, or not at all", async (t) => {
  const [owner, guest] = [project(t), project(t)];
  await owner.run();
  symlinkSync(join(owner.root, "node_modules"), join(guest.root, "node_modules"), "junction");
  assert.deepEqual(await guest.run(), { code: 0, err: "" });
  writeFileSync(join(guest.root, "package-lock.json"), '{"changed":true}');
  const refused = await guest.run();
  assert.equal(refused.code, 1);
  assert.match(refused.err, /node_modules is a link/);
  assert.deepEqual(guest.calls(), []);
  assert.deepEqual(await owner.run(), { code: 0, err: "" });
});

test("a failed install passes npm's exit code on, explains, and is tried again", async (t) => {
  const { run, calls } = project(t);
  const failed = await run("fail");
  assert.equal(failed.code, 7);
  assert.match(failed.err, /npm ci failed \(exit 7\).*needs the npm registry/);
  assert.equal((await run()).code, 0);
  assert.equal(calls().length, 2);
});

test("of two runs at once one installs and the other waits for it", async (t) => {
  const { root, run, calls } = project(t);
  const runs = Promise.all([run("wait"), run("wait")]);
  writeFileSync(join(root, "go"), "");
  for (const { code } of await runs) assert.equal(code, 0);
  assert.equal(calls().length, 1);
});

test("the lock of a run that was killed does not hold up the next", async (t) => {
  const { root, run, calls } = project(t);
  const gone = spawn(process.execPath, ["--version"]);
  await once(gone, "exit");
  mkdirSync(join(root, ".cache"));
  writeFileSync(join(root, ".cache", "setup.lock"), String(gone.pid));
  assert.equal((await run()).code, 0);
  assert.equal(calls().length, 1);
});
