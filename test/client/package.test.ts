import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Every module that a file loads, itself included. */
function modulesOf(file: string, found = new Set<string>()): Set<string> {
  if (found.has(file)) return found;
  found.add(file);
  const text = readFileSync(file, "utf8")
    .replace(/\/\*\*.*?\*\//gs, "")
    .replace(/^(?:import|export) type .*$/gm, "");
  for (const [, specifier = ""] of text.matchAll(
    /^(?:import|export) .*?from "(.+?)";$|^\} from "(.+?)";$/gms,
  ))
    if (specifier.startsWith(".")) modulesOf(join(dirname(file), specifier), found);
    else if (specifier !== "") found.add(specifier);
  return found;
}

test("troupe/client loads nothing of Node and no package, so browsers can have it", () => {
  const modules = [...modulesOf(join(ROOT, "src/client/index.ts"))];
  assert.ok(modules.length > 5, "the imports were not found");
  assert.deepEqual(
    modules.filter((module) => !module.startsWith(ROOT)),
    [],
  );
});

test("the package publishes it as troupe/client", () => {
  const { exports } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
    exports: Record<string, { default: string }>;
  };
  assert.equal(exports["./client"]?.default, "./dist/src/client/index.js");
});
