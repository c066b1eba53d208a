import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

/** Runs the command with a script of ours loaded before it. */
function runMain(preload: string, ...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const module = `data:text/javascript,${encodeURIComponent(preload)}`;
  return new Promise((resolve) => {
    const child = execFile(process.execPath, ["--import", module, MAIN, ...args], (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    );
    child.stdin?.end();
  });
}

test("an older Node is told what is needed in one line, before anything is imported", async () => {
  const old = `Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.1.0" } });`;
  const { code, out, err } = await runMain(old, "serve");
  assert.equal(code, 1);
  assert.equal(out, "");
  assert.match(err, /^troupe: needs Node\.js 24 or later[^\n]+\n$/);
});

test("help and usage errors load none of the heavy packages", async () => {
  const watch = `
    import { registerHooks } from "node:module";
    const heavy = /^(onnxruntime|tokenizers|fastify|piscina|ws$|pino|prom-client|@huggingface)/;
    registerHooks({ resolve(name, context, next) {
      if (heavy.test(name)) { console.error("loaded " + name); process.exit(99); }
      return next(name, context);
    } });`;
  const help = await runMain(watch, "serve", "--help");
  assert.deepEqual([help.code, help.err], [0, ""]);
  assert.match(help.out, /^Usage: troupe serve/);
  assert.equal((await runMain(watch, "serve", "--nope")).code, 2);
});
