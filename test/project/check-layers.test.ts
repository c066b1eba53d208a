import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { checkProject } from "../../scripts/check-layers.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** The problems of a small project made of `files`, each as `file:line: text`. */
function problemsOf(t: TestContext, files: Record<string, string>): string[] {
  const root = mkdtempSync(join(tmpdir(), "troupe-layers-"));
  t.after(() => rmSync(root, { recursive: true }));
  const manifest = JSON.stringify({ dependencies: { ws: "1", "@a/b": "1" } });
  for (const [path, text] of Object.entries({ "package.json": manifest, ...files })) {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return checkProject(root).map(({ file, line, text }) => `${file}:${line}: ${text}`);
}

test("this project has no problem", () => {
  assert.deepEqual(checkProject(ROOT), []);
});

test("imports that go down, types side by side, Node's modules and one adapter are fine", (t) => {
  const problems = problemsOf(t, {
    "src/core/a.ts": 'import { x } from "../errors/x.ts";\n',
    "src/kv/pages.ts":
      'import type { P } from "../scheduling/p.ts";\nimport fs from "node:fs";\nimport "./own.ts";\n',
    "src/serving/socket.ts":
      'import { type WebSocket, WebSocketServer } from "ws";\nexport * from "../kv/pages.ts";\n',
    "actors/a.ts":
      'import { x } from "../src/kv/pages.ts";\nimport type { B } from "./b.ts";\nimport { c } from "./cast.ts";\n',
    "actors/b.ts": "export default {};\n",
    "actors/cast.ts": "export const c = 1;\n",
    "examples/x.ts": 'import ws from "ws";\nimport { y } from "../src/index.ts";\n',
    "bench/y.ts": 'import { t } from "../test/kv/pages.test.ts";\n',
    "test/kv/pages.test.ts":
      'import { z } from "../../src/kv/pages.ts";\nthrow new Error("fine in tests");\n',
  });
  assert.deepEqual(problems, []);
});

test("an import that goes up or sideways is named with its line and what is allowed", (t) => {
  const problems = problemsOf(t, {
    "src/core/a.ts": '\nimport { x } from "../config/x.ts";\n',
    "src/kv/b.ts": 'import {\n  p,\n} from "../scheduling/p.ts";\nconst m = await import("../hosts/t.ts");\n',
    "src/serving/c.ts": 'import type { E } from "../execution/e.ts";\n',
    "examples/d.ts": 'import { k } from "../src/kv/b.ts";\n',
    "src/kv/e.ts": 'export { q } from "../../test/q.ts";\n',
    "src/new-folder/f.ts": "export const f = 1;\n",
  });
  assert.deepEqual(problems, [
    "examples/d.ts:1: examples may not import src/kv/b.ts; it may import src/index.ts",
    "src/core/a.ts:2: src/core may not import src/config/x.ts; it may import src/errors",
    'src/kv/b.ts:1: src/kv may import only types of src/scheduling (src/scheduling/p.ts); use "import type", or move the code down',
    "src/kv/b.ts:4: src/kv may not import src/hosts/t.ts; it may import src/errors, src/core, src/config",
    "src/kv/e.ts:1: src/kv may not import test/q.ts; it may import src/errors, src/core, src/config",
    "src/new-folder/f.ts:1: lies in no layer; move it, or give its folder a place in scripts/layers.ts",
    "src/serving/c.ts:1: src/serving may not import src/execution/e.ts; it may import src/errors, src/core, src/config, src/runtime, src/kv, src/scheduling, src/sampling, src/text, src/model, src/protocol, src/requests, src/servables",
  ]);
});

test("an actor may not import another actor's values", (t) => {
  const problems = problemsOf(t, {
    "actors/a.ts": 'import b from "./b.ts";\n',
    "actors/b.ts": "const b = 1;\nexport default b;\n",
  });
  assert.equal(problems.length, 1);
  assert.match(problems[0]!, /^actors\/a\.ts:1: imports values of another actor \(actors\/b\.ts\)/);
});

test("a package has one adapter file, types included, and stands under dependencies", (t) => {
  const problems = problemsOf(t, {
    "src/serving/a.ts": 'import ws from "ws";\nimport x from "@a/b/deep";\n',
    "src/serving/b.ts": 'import type { WebSocket } from "ws";\nimport left from "left-pad/x.js";\n',
  });
  assert.deepEqual(problems, [
    'src/serving/b.ts:1: "ws" already has its adapter in src/serving/a.ts; import what you need from there',
    'src/serving/b.ts:2: "left-pad" is not under dependencies in package.json; add it there',
  ]);
});

test("bare errors, thrown texts, switched-off types and unfinished work are found, comments and texts are not", (t) => {
  const later = ["TO", "DO"].join("");
  const problems = problemsOf(t, {
    "src/kv/a.ts": [
      "// new Error( in a comment is fine",
      'const text = "new Error(1)";',
      "throw new TypeError(text);",
      'throw "text";',
      "throw new TroupeError(text);",
      "// @ts-" + "ignore",
      `// ${later}: later`,
      "const half = text.length / 2; // new Error(",
      "const pattern = /['\"]/; throw new Error();",
    ].join("\n"),
  });
  const lines = problems.map((problem) => problem.split(": ", 1)[0]);
  assert.deepEqual(
    lines,
    [3, 4, 6, 7, 9].map((line) => `src/kv/a.ts:${line}`),
  );
});

test("a file over the size limit and a path of one machine are found", (t) => {
  const path = ["", "home", "me", "models"].join("/");
  const problems = problemsOf(t, {
    "src/kv/long.ts": "\n".repeat(400),
    "docs/a.md": `Put it in ${path}, not in ./home/me or https://example.com/work/x.\n`,
  });
  assert.equal(problems.length, 2);
  assert.match(problems[0]!, /^docs\/a\.md:1: .*make it relative/);
  assert.match(problems[1]!, /^src\/kv\/long\.ts:400: 401 lines, the limit is 400/);
});
