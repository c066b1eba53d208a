// Installs what package-lock.json names, once: `npm start`, `npm test` and `npm run check` run this first.
// Plain JavaScript, because it must run on any Node >= 20, before the project's own Node 24 is there.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const stamp = `${root}node_modules/.troupe-setup`;
const wanted = createHash("sha256")
  .update(readFileSync(`${root}package-lock.json`))
  .update(`${process.platform} ${process.arch}`)
  .digest("hex");

if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== wanted) {
  console.error("Installing dependencies (first run; about a minute) ...");
  const npm = process.env.npm_execpath;
  const args = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
  const env = { ONNXRUNTIME_NODE_INSTALL: "skip", ...process.env };
  const run = npm
    ? spawnSync(process.execPath, [npm, ...args], { cwd: root, stdio: "inherit", env })
    : spawnSync("npm", args, { cwd: root, stdio: "inherit", env, shell: process.platform === "win32" });
  if (run.status !== 0) {
    console.error(`npm ci failed (exit ${run.status ?? run.signal}); see the lines above.`);
    process.exit(run.status ?? 1);
  }
  writeFileSync(stamp, wanted);
}
