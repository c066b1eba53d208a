/**
 * Who may import whom, as data (docs/architecture.md, section 7), and the check of one import against it.
 * Knows nothing of files or syntax: check-layers.ts finds the imports.
 */
import { posix } from "node:path";

/** A folder (or file) that is imported as a whole. */
export interface Unit {
  readonly path: string;
  /** Units whose values and types it may import, besides its own. */
  readonly values: readonly string[];
  /** Units of which it may import types only. */
  readonly types: readonly string[];
}

const ground = ["src/errors", "src/core"];
const pure = [
  "src/runtime",
  "src/kv",
  "src/scheduling",
  "src/sampling",
  "src/text",
  "src/model",
  "src/protocol",
  "src/requests",
  "src/servables",
];
const outer = ["src/hosts", "src/execution", "src/serving"];
const belowActors = [...ground, "src/config", ...pure, ...outer];
/** For browsers as well: nothing of Node, and only what has no dependencies itself. */
const client = { path: "src/client", values: ground, types: ["src/protocol", "src/sampling"] };
const everything = [...belowActors, "actors", "src/offline", "src/index.ts"];

/** The layers from the bottom up. A folder under src/ that is not here is an error: give it a place first. */
export const UNITS: readonly Unit[] = [
  { path: "src/errors", values: [], types: [] },
  { path: "src/core", values: ["src/errors"], types: [] },
  { path: "src/config", values: ground, types: ["src/kv", "src/model"] },
  ...pure.map((path) => ({ path, values: [...ground, "src/config"], types: pure })),
  ...outer.map((path) => ({ path, values: [...ground, "src/config", ...pure], types: [] })),
  client,
  { path: "actors", values: belowActors, types: [] },
  { path: "src/offline", values: [...belowActors, "actors"], types: [] },
  { path: "src/index.ts", values: [...belowActors, "actors", "src/offline"], types: [] },
  { path: "src/cli", values: everything, types: [] },
  { path: "examples", values: ["src/index.ts"], types: [] },
  { path: "bench", values: [...everything, "src/cli", "test"], types: [] },
];

/** The unit a repository path lies in; undefined for none. */
export function unitOf(path: string): Unit | undefined {
  return UNITS.find((unit) => path === unit.path || path.startsWith(`${unit.path}/`));
}

/** One import of one file. */
export interface Import {
  readonly file: string;
  readonly line: number;
  readonly specifier: string;
  /** `import type` or `export type`: nothing is loaded. */
  readonly isTypeOnly: boolean;
}

/** What is wrong with an import of another file of ours and what to do; undefined when it is allowed. */
export function layerProblem(found: Import, isActorModule: (path: string) => boolean): string | undefined {
  const from = unitOf(found.file);
  if (from === undefined) return undefined;
  const target = posix.join(posix.dirname(found.file), found.specifier);
  const to = unitOf(target);
  const toPath = to?.path ?? target.split("/", 1)[0]!;
  if (toPath === from.path) {
    return from.path === "actors" && !found.isTypeOnly && isActorModule(target)
      ? `imports values of another actor (${target}); send it messages, and import its message types with "import type"`
      : undefined;
  }
  if (from.values.includes(toPath)) return undefined;
  if (from.types.includes(toPath)) {
    return found.isTypeOnly
      ? undefined
      : `${from.path} may import only types of ${toPath} (${target}); use "import type", or move the code down`;
  }
  const allowed = from.values.length === 0 ? "nothing of ours" : from.values.join(", ");
  return `${from.path} may not import ${target}; it may import ${allowed}`;
}
