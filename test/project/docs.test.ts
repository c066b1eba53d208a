import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { referencePages } from "../../scripts/generate-docs.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

for (const [path, text] of Object.entries(referencePages())) {
  test(`${path} is up to date (npm run docs)`, () => {
    assert.equal(readFileSync(join(ROOT, path), "utf8"), text);
  });
}

for (const page of globSync(["*.md", "docs/**/*.md"], { cwd: ROOT })) {
  test(`links of ${page} lead somewhere`, () => {
    const text = readFileSync(join(ROOT, page), "utf8");
    const targets = [...text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)[^)]*\)/g)].map(
      (match) => match[1]!,
    );
    const broken = targets.filter((target) => !existsSync(join(ROOT, dirname(page), target)));
    assert.deepEqual(broken, []);
  });
}

test("the command table of the README, or the page for other systems' users, has every command", () => {
  const read = (file: string): string => readFileSync(join(ROOT, file), "utf8");
  const tables = read("README.md") + read("docs/other-systems.md");
  const pages = referencePages()["docs/cli.md"]!;
  for (const [, name] of pages.matchAll(/^## troupe (\w+)/gm))
    assert.ok(new RegExp(`\`(?:nohup )?troupe ${name}\\b`).test(tables), name);
});
