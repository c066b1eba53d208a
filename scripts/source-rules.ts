/** Rules about single files: which text may not stand in them. Each problem is `file:line: what; what to do`. */
import { builtinModules } from "node:module";
import type { Import } from "./layers.ts";
import { blank, lineAt } from "./source-text.ts";

/** Something to mend. */
export interface Problem {
  readonly file: string;
  readonly line: number;
  readonly text: string;
}

interface TextRule {
  readonly pattern: RegExp;
  readonly text: string;
}

const CODE_RULES: readonly TextRule[] = [
  {
    pattern: /\bnew\s+(?:Aggregate|Eval|Range|Reference|Syntax|Type|URI)?Error\s*\(/g,
    text: "a bare error; throw TroupeError with a code of src/errors/error-codes.ts, or use invariant()",
  },
  {
    pattern: /\bthrow\s+["'`{\d]/g,
    text: "throws something that is no error; throw TroupeError with a code of src/errors/error-codes.ts",
  },
];

const COMMENT_RULES: readonly TextRule[] = [
  { pattern: /@ts-(?:ignore|nocheck|expect-error)\b/g, text: "switches the type checker off; mend the type" },
  {
    pattern: /\b(?:TODO|FIXME|XXX)\b/g,
    text: "unfinished work; finish it, or open an issue and describe the limit",
  },
];

// Written so that these patterns do not match their own source.
const MACHINE_PATH =
  /(?<![\w.~-])\/(?:work|tmp|root|home|Users)\/(?=[\w.])|\.\.\/shared\b|\b[A-Z]:\\{1,2}Users\b/g;

const MAX_LINES = 400;

/** Problems of a file of the program itself (src/ and actors/). */
export function sourceProblems(file: string, text: string): Problem[] {
  const code = blank(text, { strings: true });
  const problems: Problem[] = [];
  for (const rule of CODE_RULES) {
    // Quotes are needed to see `throw "text"`, so that rule looks at the text with its strings.
    const where = rule.pattern.source.includes("throw") ? blank(text, { strings: false }) : code;
    for (const match of where.matchAll(rule.pattern)) {
      problems.push({ file, line: lineAt(where, match.index), text: rule.text });
    }
  }
  for (const rule of COMMENT_RULES) problems.push(...textProblems(file, text, rule));
  const numLines = text.split("\n").length;
  if (numLines > MAX_LINES) {
    problems.push({
      file,
      line: MAX_LINES,
      text: `${numLines} lines, the limit is ${MAX_LINES}; split it by idea`,
    });
  }
  return problems;
}

/** Paths that mean something on one machine only, in any text file. */
export function machinePathProblems(file: string, text: string): Problem[] {
  return textProblems(file, text, {
    pattern: MACHINE_PATH,
    text: "names a path of one machine; make it relative, or take it from the environment",
  });
}

function textProblems(file: string, text: string, rule: TextRule): Problem[] {
  return [...text.matchAll(rule.pattern)].map((match) => ({
    file,
    line: lineAt(text, match.index),
    text: `"${match[0]}" ${rule.text}`,
  }));
}

/** The package of a bare specifier; undefined for files of ours and for Node's own modules. */
export function packageOf(specifier: string): string | undefined {
  if (/^[./]/.test(specifier) || specifier.startsWith("node:") || builtinModules.includes(specifier)) {
    return undefined;
  }
  return specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
}

/** A package is imported in one file only, its adapter, and package.json lists it as a dependency. */
export function packageProblems(imports: readonly Import[], dependencies: readonly string[]): Problem[] {
  const adapters = new Map<string, string>();
  const problems: Problem[] = [];
  for (const { file, line, specifier } of imports) {
    const name = packageOf(specifier);
    if (name === undefined) continue;
    if (!dependencies.includes(name)) {
      problems.push({
        file,
        line,
        text: `"${name}" is not under dependencies in package.json; add it there`,
      });
    }
    const adapter = adapters.get(name) ?? file;
    adapters.set(name, adapter);
    if (adapter !== file) {
      problems.push({
        file,
        line,
        text: `"${name}" already has its adapter in ${adapter}; import what you need from there`,
      });
    }
  }
  return problems;
}
