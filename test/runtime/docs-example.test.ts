import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const DOCS = new URL("../../docs/actors.md", import.meta.url);
const MODULES = [
  "../../src/hosts/create-actor-system.ts",
  "../../src/runtime/actor-definition.ts",
  "../../src/runtime/actor-types.ts",
];

test("the example in docs/actors.md does what its comments say", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "troupe-docs-"));
  t.after(() => rm(folder, { recursive: true }));
  const text = await readFile(fileURLToPath(DOCS), "utf8");
  for (const [, name, code] of text.matchAll(/```ts (\S+)\n(.*?)```/gs)) {
    await writeFile(join(folder, name!), code!.replaceAll('"troupe"', '"./troupe.ts"'));
  }
  const exports = MODULES.map((path) => `export * from "${new URL(path, import.meta.url).href}";\n`);
  await writeFile(join(folder, "troupe.ts"), exports.join(""));
  const { stdout } = await run(process.execPath, [join(folder, "main.ts")], { timeout: 20_000 });
  assert.deepEqual(stdout.trim().split("\n"), [
    "6",
    "6",
    "7",
    "clerk is down: shutdown",
    "counter is down: shutdown",
  ]);
});

test("every promise in docs/actors.md links to a test that has the linked words", async () => {
  const text = await readFile(fileURLToPath(DOCS), "utf8");
  const links = [...text.matchAll(/\[([^\]]+)\]\((\.\.\/test\/[^)]+)\)/g)];
  assert.ok(links.length > 30);
  for (const [, words, path] of links) {
    const source = await readFile(fileURLToPath(new URL(path!, DOCS)), "utf8");
    assert.ok(source.includes(words!), `${path} has no "${words}"`);
  }
});
