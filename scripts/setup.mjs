// Installs what package-lock.json names, once: `npm start`, `npm test` and `npm run check` run this first.
// Plain JavaScript, because it must run on any Node >= 20, before the project's own Node 24 is there.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, lstatSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const stamp = `${root}node_modules/.troupe-setup`;
// Outside node_modules, which `npm ci` deletes first.
const lock = `${root}.cache/setup.lock`;
const POLL_MS = 200;

const wanted = createHash("sha256")
  .update(readFileSync(`${root}package-lock.json`))
  .update(`${process.platform} ${process.arch}`)
  .digest("hex");

if (!isSetUp() && isLinked()) {
  // `npm ci` would empty the folder behind the link, which another checkout works with.
  console.error(
    "node_modules is a link, and what it leads to was not installed from this package-lock.json.\n" +
      "Bring both checkouts to the same package-lock.json and run this there, or remove the link and run it again.",
  );
  process.exitCode = 1;
} else if (!isSetUp()) {
  takeLock();
  try {
    // Another run may have done it while this one waited.
    if (!isSetUp()) install();
  } finally {
    rmSync(lock, { force: true });
  }
}

function isSetUp() {
  return existsSync(stamp) && readFileSync(stamp, "utf8") === wanted;
}

function isLinked() {
  return lstatSync(`${root}node_modules`, { throwIfNoEntry: false })?.isSymbolicLink() === true;
}

function install() {
  console.error("Installing dependencies (first run; about a minute) ...");
  // Dev dependencies hold the project's Node, so they are needed whatever NODE_ENV says.
  const args = ["ci", "--include=dev", "--no-audit", "--no-fund", "--loglevel=error"];
  const env = { ONNXRUNTIME_NODE_INSTALL: "skip", ...process.env };
  const cli = process.env.npm_execpath;
  const run =
    cli && basename(cli).startsWith("npm")
      ? spawnSync(process.execPath, [cli, ...args], { cwd: root, stdio: "inherit", env })
      : spawnSync("npm", args, { cwd: root, stdio: "inherit", env, shell: process.platform === "win32" });
  if (run.status !== 0) {
    console.error(
      `\nnpm ci failed (${run.error?.message ?? `exit ${run.status ?? run.signal}`}); npm's own lines are above. ` +
        "It needs the npm registry: behind a proxy or a mirror, set npm's `proxy` or `registry`. Then run the same command again.",
    );
    process.exitCode = run.status || 1;
    return;
  }
  if (!hasRightNode()) {
    console.error(
      "\nThe project's own Node 24 was not unpacked: npm's `ignore-scripts` is on. Either run\n" +
        "    npm rebuild node --ignore-scripts=false\nor install Node 24 or later, then run the same command again.",
    );
    process.exitCode = 1;
    return;
  }
  writeFileSync(stamp, wanted);
}

function hasRightNode() {
  const name = process.platform === "win32" ? "node.exe" : "node";
  return (
    Number.parseInt(process.versions.node, 10) >= 24 || existsSync(`${root}node_modules/node/bin/${name}`)
  );
}

/** Two installs at once would delete each other's files. A lock whose owner is gone counts for nothing. */
function takeLock() {
  mkdirSync(`${root}.cache`, { recursive: true });
  let hasSaid = false;
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: "wx" });
      return;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    if (isStale()) {
      rmSync(lock, { force: true });
      continue;
    }
    if (!hasSaid) console.error("Waiting for another run that installs the dependencies ...");
    hasSaid = true;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, POLL_MS);
  }
}

function isStale() {
  let owner;
  try {
    owner = Number(readFileSync(lock, "utf8"));
  } catch {
    return false;
  }
  // Written empty for a moment by its owner; a number follows at once.
  if (!Number.isInteger(owner) || owner <= 0) return false;
  try {
    process.kill(owner, 0);
    return false;
  } catch (error) {
    return error.code === "ESRCH";
  }
}
