/**
 * Several models in one configuration: `models` is a list of entries, each with the keys of `model`, a name, under
 * `engine` the keys that differ from the section of that name, and under `graphs` its own graphs. A management call that
 * loads a model says the same.
 */
import { basename } from "node:path";
import { parse, z } from "../core/schema.ts";
import type { ErrorCode } from "../errors/error-codes.ts";
import { TroupeError } from "../errors/troupe-error.ts";
import type { ModelConfig, TroupeConfig } from "./config.ts";
import { GRAPH_PATHS } from "./graphs-keys.ts";
import { withAbsoluteKeys } from "./paths.ts";
import { PRECISION_NAMES, type PrecisionName } from "./precision-names.ts";
import { configSchema } from "./schema.ts";

/** How an entry is read. */
export interface EntryOptions {
  /** What it is called in errors. */
  readonly what: string;
  readonly code: ErrorCode;
  /** From which its relative paths count. */
  readonly folder: string;
}

const ENTRY = z.looseObject({
  path: z.string().min(1),
  name: z.string().min(1).optional(),
  engine: z.record(z.string(), z.unknown()).nullish(),
  graphs: z.record(z.string(), z.unknown()).nullish(),
});
const PATHS = ["path", "cacheDir"];

/**
 * The configuration of one model: the entry over the sections `model` (but for its path and names) and `engine`, with `graphs` of its own.
 *
 * @throws TroupeError of the code that is asked for, naming the key
 * @example
 * ```ts
 * const options = { what: "body", code: "invalid_request", folder: process.cwd() } as const;
 * const config = modelConfig(base, { name: "llama", path: "models/llama", precision: "w8" }, options);
 * ```
 */
export function modelConfig(base: TroupeConfig, entry: unknown, options: EntryOptions): TroupeConfig {
  const { what, code, folder } = options;
  const { name, engine: engineKeys, graphs: graphKeys, ...given } = parse(ENTRY, entry, { code, what });
  const keys = withAbsoluteKeys(given, PATHS, folder);
  const { origin, models: _, ...sections } = base;
  const names = Array.isArray(keys.servedNames) ? keys.servedNames : [];
  const model = {
    ...base.model,
    ...keys,
    servedNames: name === undefined ? (keys.servedNames ?? []) : [name, ...names],
  };
  const engine = { ...base.engine, kvDtype: kvDtypeOf(base, keys.precision), ...engineKeys };
  // Graphs are as much a model's own as its path.
  const graphs = withAbsoluteKeys(graphKeys ?? {}, GRAPH_PATHS, folder);
  const checked = parse(configSchema(), { ...sections, model, graphs, engine }, { code, what });
  return { ...checked, origin, models: [] };
}

/** A name of a precision that stands for keys and values too is taken at its word. */
function kvDtypeOf(base: TroupeConfig, precision: unknown): string {
  const named = typeof precision === "string" ? PRECISION_NAMES[precision as PrecisionName] : undefined;
  return named === undefined || named.kvDtype === "f32" ? base.engine.kvDtype : named.kvDtype;
}

/** One for each model of a configuration, the default one first. */
export function modelConfigs(config: TroupeConfig): readonly [TroupeConfig, ...TroupeConfig[]] {
  const [first, ...others] = config.models.map((part) => ({ ...config, ...part, models: [] }));
  return first === undefined ? [config] : [first, ...others];
}

/** The names that requests may use; the first is canonical. */
export function servedNamesOf({ servedNames, path }: ModelConfig): readonly [string, ...string[]] {
  const [first, ...others] = servedNames;
  return first === undefined ? [basename(path)] : [first, ...others];
}

/**
 * Reads the list `models`.
 *
 * @param entries each with the options it is read with
 * @returns `base` with the first model's sections, and all of them under `models`
 * @throws TroupeError `invalid_config`, also when two models have a name in common
 */
export function withModels(
  base: TroupeConfig,
  entries: readonly { readonly entry: unknown; readonly options: EntryOptions }[],
): TroupeConfig {
  const configs = entries.map(({ entry, options }) => modelConfig(base, entry, options));
  const [first] = configs;
  if (first === undefined) return base;
  const names = configs.flatMap(({ model }) => servedNamesOf(model));
  const repeated = names.find((name, index) => names.indexOf(name) !== index);
  if (repeated !== undefined) {
    const message = `${entries[0]!.options.what.replace(/\[\d+\]$/, "")}: two models are named "${repeated}"; give one of them another name.`;
    throw new TroupeError("invalid_config", message, { details: { path: "models", value: repeated } });
  }
  return { ...first, models: configs.map(({ model, graphs, engine }) => ({ model, graphs, engine })) };
}
