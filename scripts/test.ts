/**
 * `npm test`: runs test/**\/*.test.ts with Node's own runner.
 *
 *     npm test                          everything
 *     npm test -- kv scheduling         files whose path contains one of the words
 *     npm test -- test/kv/pages.test.ts that file
 *     npm test -- --test-name-pattern=evict kv     options go to node --test
 */
import { spawn } from "node:child_process";
import { globSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const CONCURRENCY = 2;
const TEST_TIMEOUT_MS = 240_000;
/** Every file is a process, and most load the same modules: compiled once, they are read from here by the others. */
const NODE_COMPILE_CACHE = join(tmpdir(), "troupe-test-compile-cache");

const root = fileURLToPath(new URL("..", import.meta.url));
const given = process.argv.slice(2);
const options = given.filter((word) => word.startsWith("-"));
const filters = given.filter((word) => !word.startsWith("-")).map((word) => word.replaceAll("\\", "/"));

const all = globSync("test/**/*.test.ts", { cwd: root })
  .map((file) => file.replaceAll("\\", "/"))
  .sort();
const files = filters.length === 0 ? all : all.filter((file) => filters.some((word) => file.includes(word)));

if (files.length === 0) {
  console.error(
    `No test file matches ${filters.join(", ")}; give a part of a path under test/, such as "kv".`,
  );
  process.exitCode = 1;
} else {
  const runner = spawn(
    process.execPath,
    [
      "--import=./test/property-seed.ts",
      "--test",
      `--test-concurrency=${CONCURRENCY}`,
      `--test-timeout=${TEST_TIMEOUT_MS}`,
      ...options,
      ...files,
    ],
    { cwd: root, stdio: ["ignore", "inherit", "inherit"], env: { NODE_COMPILE_CACHE, ...process.env } },
  );
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => runner.kill(signal));
  runner.on("error", (error) => {
    console.error(`node --test could not be started: ${error.message}`);
    process.exitCode = 1;
  });
  runner.on("exit", (code) => {
    process.exitCode = code ?? 1;
  });
}
