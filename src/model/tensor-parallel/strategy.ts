/**
 * strategy.json: how every tensor of a checkpoint is cut among how many ranks. Written beside shards, and read back from
 * people's own hands too, so it says in full what follows from what.
 */
import { parse, z } from "../../core/schema.ts";
import { TroupeError } from "../../errors/troupe-error.ts";
import { CUT_UNITS, type CutPart, cutProblem, numCopies } from "./tensor-cut.ts";
import type { TensorCut } from "./tensor-cuts.ts";

export const STRATEGY_FILE = "strategy.json";
const FORMAT = "troupe-strategy";
const VERSION = 1;

const count = z.int().positive();

const partSchema = z.strictObject({
  name: z.string(),
  unit: z.enum(CUT_UNITS),
  units: count,
  size: count,
  copies: count.default(1),
});

const replicatedSchema = z.strictObject({ tensors: z.string(), cut: z.literal("replicated") });

const cutSchema = z.strictObject({
  tensors: z.string(),
  cut: z.enum(["column", "row", "vocabulary"]),
  axis: z.union([z.literal(0), z.literal(1)]),
  groups: count.default(1),
  parts: z.array(partSchema).min(1),
});

const strategySchema = z.strictObject({
  format: z.literal(FORMAT),
  version: z.literal(VERSION),
  tp: count.max(1024),
  cuts: z.array(z.union([replicatedSchema, cutSchema])),
});

type Entry = z.infer<typeof strategySchema>["cuts"][number];

/** How tensors are cut. */
export interface Strategy {
  /** Ranks. */
  readonly size: number;
  /** @throws TroupeError `invalid_model` for a tensor that it says nothing of. */
  cutOf(tensor: string): TensorCut;
}

/**
 * Reads a strategy's JSON.
 *
 * @param what the file, for errors
 * @throws TroupeError `invalid_model` when it is malformed or cuts what cannot be cut among its ranks
 */
export function parseStrategy(json: unknown, what: string): Strategy {
  const { tp: size, cuts } = parse(strategySchema, json, { code: "invalid_model", what });
  const rules = cuts.map((entry) => ({
    matches: patternOf(entry.tensors),
    cut: checkedCut(entry, size, what),
  }));
  return {
    size,
    cutOf(tensor) {
      const rule = rules.find(({ matches }) => matches.test(tensor));
      if (rule !== undefined) return rule.cut;
      throw new TroupeError(
        "invalid_model",
        `${what} does not say how ${tensor} is cut; add an entry for it`,
        {
          details: { tensor },
        },
      );
    },
  };
}

/**
 * The text of a strategy file, an entry a line. Tensors that differ by numbers alone, and are cut alike, share an entry.
 */
export function strategyText(size: number, cuts: ReadonlyMap<string, TensorCut>): string {
  const byPattern = new Map<string, string[]>();
  for (const tensor of cuts.keys()) {
    const pattern = tensor.replaceAll(/(?<=^|\.)\d+(?=\.|$)/g, "*");
    byPattern.set(pattern, [...(byPattern.get(pattern) ?? []), tensor]);
  }
  const entries = [...byPattern].flatMap(([pattern, tensors]) => {
    const isOneCut = new Set(tensors.map((tensor) => JSON.stringify(cuts.get(tensor)))).size === 1;
    const names = isOneCut ? [pattern] : tensors;
    return names.map((name, index) => entryOf(name, cuts.get(tensors[index]!)!, size));
  });
  const lines = entries.map((entry) => `    ${JSON.stringify(entry, null, 1).replaceAll(/\n\s*/g, " ")}`);
  const head = `  "format": "${FORMAT}",\n  "version": ${VERSION},\n  "tp": ${size},`;
  return `{\n${head}\n  "cuts": [\n${lines.join(",\n")}\n  ]\n}\n`;
}

function entryOf(tensors: string, cut: TensorCut, size: number): object {
  if (cut.kind === "replicated") return { tensors, cut: "replicated" };
  const { axis, numGroups, parts } = cut;
  return {
    tensors,
    cut: kindOf(parts, axis),
    axis,
    ...(numGroups === 1 ? {} : { groups: numGroups }),
    parts: parts.map((part) => {
      const copies = numCopies(part, numGroups, size);
      const { name, unit, numUnits, unitSize } = part;
      return { name, unit, units: numUnits, size: unitSize, ...(copies === 1 ? {} : { copies }) };
    }),
  };
}

function kindOf(parts: readonly CutPart[], axis: 0 | 1): "column" | "row" | "vocabulary" {
  if (parts.some(({ unit }) => unit === "token")) return "vocabulary";
  return axis === 0 ? "column" : "row";
}

function checkedCut(entry: Entry, size: number, what: string): TensorCut {
  if (entry.cut === "replicated") return { kind: "replicated" };
  const { tensors, cut: kind, axis, groups: numGroups } = entry;
  const parts = entry.parts.map(({ units, size: unitSize, name, unit }) => ({
    name,
    unit,
    numUnits: units,
    unitSize,
  }));
  const cut = { kind: "cut", axis, numGroups, parts } as const;
  const fail = (problem: string) => new TroupeError("invalid_model", `${what}: ${tensors}: ${problem}`);
  if (kindOf(parts, axis) !== kind) {
    throw fail(
      `"cut": "${kind}" does not go with axis ${axis} and these units; it is ${kindOf(parts, axis)}`,
    );
  }
  const problem = cutProblem(cut, size);
  if (problem !== null) throw fail(problem);
  for (const [index, { name, copies }] of entry.parts.entries()) {
    const expected = numCopies(parts[index]!, numGroups, size);
    if (copies !== expected) throw fail(`"copies" of ${name} is ${copies}; ${size} ranks hold ${expected}`);
  }
  return cut;
}

function patternOf(pattern: string): RegExp {
  const text = pattern.split("*").map((part) => part.replaceAll(/[^\w]/g, "\\$&"));
  return new RegExp(`^${text.join("\\d+")}$`);
}
