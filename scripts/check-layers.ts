/**
 * `npm run layers`: who may import whom, one adapter file per package, TroupeError as the only error, no paths of one
 * machine. Prints `file:line: what; what to do` for each problem and exits 1 when there is one.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Import, layerProblem, unitOf } from "./layers.ts";
import { machinePathProblems, type Problem, packageProblems, sourceProblems } from "./source-rules.ts";
import { blank, importsOf } from "./source-text.ts";

const CODE_FOLDERS = ["src", "actors", "examples", "bench"];
const SKIPPED = new Set([
  "node_modules",
  "dist",
  ".git",
  ".cache",
  "coverage",
  "test/golden",
  "models",
  "bench/results",
]);
const TEXT_FILE = /\.(?:ts|mjs|js|json|ya?ml|md|toml|html|css|sh)$|(?:^|\/)(?:\.npmrc|\.gitignore|run)$/;
const PATHS_ALLOWED = new Set(["package-lock.json"]);

/** All problems of a checkout, in the order of its files. */
export function checkProject(root: string): Problem[] {
  const files = listFiles(root, "");
  const texts = new Map(files.map((file) => [file, readFileSync(join(root, file), "utf8")]));
  const code = files.filter(
    (file) => /\.ts$/.test(file) && CODE_FOLDERS.some((folder) => file.startsWith(`${folder}/`)),
  );
  const program = code.filter((file) => /^(?:src|actors)\//.test(file));
  const imports = code.flatMap((file) => importsOf(file, texts.get(file)!));
  const isActorModule = (path: string): boolean =>
    /^export\s+default\b/m.test(blank(texts.get(path) ?? "", { strings: true }));

  const problems: Problem[] = [];
  for (const file of program) {
    if (unitOf(file) === undefined)
      problems.push({
        file,
        line: 1,
        text: "lies in no layer; move it, or give its folder a place in scripts/layers.ts",
      });
    problems.push(...sourceProblems(file, texts.get(file)!));
  }
  for (const found of imports) {
    const text = found.specifier.startsWith(".") ? layerProblem(found, isActorModule) : undefined;
    if (text !== undefined) problems.push({ file: found.file, line: found.line, text });
  }
  const ofProgram = (found: Import): boolean => program.includes(found.file);
  problems.push(...packageProblems(imports.filter(ofProgram), dependenciesOf(root)));
  for (const [file, text] of texts) {
    if (!PATHS_ALLOWED.has(file)) problems.push(...machinePathProblems(file, text));
  }
  return problems.sort((a, b) => a.file.localeCompare(b.file) || a.line - b.line);
}

function listFiles(root: string, folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (SKIPPED.has(path) || SKIPPED.has(entry.name)) return [];
    if (entry.isDirectory()) return listFiles(root, path);
    return entry.isFile() && TEXT_FILE.test(path) ? [path] : [];
  });
}

function dependenciesOf(root: string): string[] {
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { dependencies?: object };
  return Object.keys(manifest.dependencies ?? {});
}

if (import.meta.main) {
  const root = process.argv[2] ?? fileURLToPath(new URL("..", import.meta.url));
  const problems = checkProject(root);
  for (const { file, line, text } of problems) console.error(`${file}:${line}: ${text}`);
  if (problems.length > 0) {
    console.error(`${problems.length} problem${problems.length === 1 ? "" : "s"}.`);
    process.exitCode = 1;
  }
}
