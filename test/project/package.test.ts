/** The package as a user gets it: packed, installed into an empty folder, run as `troupe`. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, delimiter, dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const INSTALL_MS = 200_000;
const NPM = process.platform === "win32" ? "npm.cmd" : "npm";

let folder = "";
const inFolder = (...path: string[]): string => join(folder, ...path);

/** The tests' own Node first on the path, as npm does it for scripts. */
function environment(): NodeJS.ProcessEnv {
  const path = `${dirname(process.execPath)}${delimiter}${process.env.PATH}`;
  return { ...process.env, PATH: path, ONNXRUNTIME_NODE_INSTALL: "skip", NODE_ENV: "" };
}

before(
  async () => {
    folder = mkdtempSync(join(tmpdir(), "troupe-package-"));
    const npm = (cwd: string, ...args: string[]) =>
      run(NPM, args, { cwd, env: environment(), shell: process.platform === "win32", maxBuffer: 1 << 24 });
    await npm(ROOT, "pack", "--silent", "--pack-destination", folder);
    mkdirSync(inFolder("app"));
    writeFileSync(inFolder("app", "package.json"), '{ "private": true, "type": "module" }\n');
    // No dependency of the published package needs an install script; ONNX Runtime's would look for CUDA libraries.
    const flags = ["--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"];
    await npm(inFolder("app"), "install", ...flags, inFolder("troupe-0.1.0.tgz"));
  },
  { timeout: INSTALL_MS },
);

after(() => rmSync(folder, { recursive: true, force: true }));

const troupe = (...args: string[]) =>
  run(
    process.execPath,
    [inFolder("app", "node_modules", "troupe", "dist", "src", "cli", "main.js"), ...args],
    {
      cwd: inFolder("app"),
      env: { ...environment(), XDG_CACHE_HOME: inFolder("cache") },
    },
  );

test("the installed command generates text with the embedded model", { timeout: 120_000 }, async () => {
  const { stdout } = await troupe(
    "generate",
    "--chat",
    "What is the capital of France?",
    "--temperature",
    "0",
  );
  assert.equal(stdout, "The capital of France is Paris.\n");
});

test("npm puts the command on the path", { skip: process.platform === "win32" }, async () => {
  const { stdout } = await run(inFolder("app", "node_modules", ".bin", "troupe"), ["--version"], {
    env: environment(),
  });
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  assert.equal(stdout, `${version}\n`);
});

test("a program imports the public API by the package's name", { timeout: 120_000 }, async () => {
  const program = `
    import { parseConfig, startEngine, TroupeError } from "troupe";
    const engine = await startEngine(parseConfig({ log: { level: "silent" } }));
    console.log(engine.info.names[0], typeof TroupeError);
    await engine.stop();
  `;
  writeFileSync(inFolder("app", "program.js"), program);
  const { stdout } = await run(process.execPath, ["program.js"], {
    cwd: inFolder("app"),
    env: { ...environment(), XDG_CACHE_HOME: inFolder("cache") },
  });
  assert.equal(stdout, "understudy function\n");
});

test("the tarball carries what is needed and nothing of the workshop", async () => {
  const { stdout } = await run("tar", ["-tzf", inFolder("troupe-0.1.0.tgz")]);
  const files = stdout
    .trim()
    .split("\n")
    .map((file) => file.replace(/^package\//, ""));
  for (const needed of [
    "README.md",
    "LICENSE",
    "configs/understudy.yaml",
    "models/understudy/model.safetensors",
    "web/index.html",
    "dist/src/index.d.ts",
  ]) {
    assert.ok(files.includes(needed), `${needed} is missing`);
  }
  const unwanted = files.filter(
    (file) => /^(?:test|src|scripts|bench|node_modules)\//.test(file) || basename(file) === ".npmrc",
  );
  assert.deepEqual(unwanted, []);
});
