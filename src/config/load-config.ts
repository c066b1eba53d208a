/** Puts a configuration together: overrides (flags) over a file over defaults, checked once, frozen. */
import { dirname, resolve } from "node:path";
import { parse } from "../core/schema.ts";
import { TroupeError } from "../errors/troupe-error.ts";
import type { KvDtype } from "../kv/forms/kv-form.ts";
import type { ConfigOrigin, ConfigSections, EngineConfig, ModelConfig, TroupeConfig } from "./config.ts";
import { OWN_CONFIGURATION } from "./defaults.ts";
import { recogniseDialect } from "./dialects/index.ts";
import { GRAPH_PATHS } from "./graphs-keys.ts";
import { type EntryOptions, withModels } from "./model-entries.ts";
import { withAbsoluteKeys } from "./paths.ts";
import type { PrecisionName } from "./precision-names.ts";
import { configKeys, configSchema } from "./schema.ts";
import { readYamlFile } from "./yaml-file.ts";

/** A configuration as it may be given: with names, or null, where the checked form has what they stand for. */
export interface GivenConfig extends Omit<ConfigSections, "model" | "engine"> {
  readonly model: Omit<ModelConfig, "precision"> & { readonly precision: PrecisionName | null };
  readonly engine: Omit<EngineConfig, "kvDtype"> & { readonly kvDtype: KvDtype | null };
}

/** A configuration with any section and any key left out. */
export type PartialConfig = {
  readonly [Section in keyof GivenConfig]?: PartialSection<Section> | undefined;
} & {
  /** Several models in one server; see `modelConfig` for what an entry says. */
  readonly models?: readonly PartialModel[] | undefined;
};

type PartialSection<Section extends keyof GivenConfig> = {
  readonly [Key in keyof GivenConfig[Section]]?: GivenConfig[Section][Key] | undefined;
};

/** One of several models. */
export type PartialModel = PartialSection<"model"> & {
  readonly path: string;
  /** Comes before `servedNames`. */
  readonly name?: string | undefined;
  readonly engine?: PartialSection<"engine"> | undefined;
  readonly graphs?: PartialSection<"graphs"> | undefined;
};

/** Where a configuration comes from. */
export interface ConfigSources {
  /** A YAML file, or a configuration of another system (see docs/other-systems.md). */
  readonly file?: string | undefined;
  /** What flags or a program say; wins over the file. */
  readonly overrides?: PartialConfig | undefined;
  /** A caller's own defaults; file and overrides win over them. */
  readonly base?: PartialConfig | undefined;
  /** Folder from which relative paths in overrides count. Default: the working directory. */
  readonly cwd?: string | undefined;
  /** Environment variables that another system's configuration yields to. Default: the process's. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
}

/**
 * Fills in defaults and checks every range.
 *
 * @throws TroupeError `invalid_config` naming the dotted path, the value and what would do.
 * @example
 * ```ts
 * const config = parseConfig({ server: { port: 0 }, log: { level: "silent" } });
 * ```
 */
export function parseConfig(partial: PartialConfig = {}): TroupeConfig {
  return loadConfig({ overrides: partial });
}

/**
 * Reads the file, lays the overrides over it, fills in defaults and checks everything. Relative paths count from the
 * file they stand in.
 *
 * @throws TroupeError `invalid_config` or `file_error`
 * @example
 * ```ts
 * const config = loadConfig({ file: "configs/cpu-server.yaml", overrides: { server: { port: 9000 } } });
 * ```
 */
export function loadConfig(sources: ConfigSources): TroupeConfig {
  const { file, cwd = process.cwd(), env = process.env } = sources;
  const {
    sections: fromFile,
    origin,
    models: modelsOfFile,
  } = file === undefined ? NO_FILE : readFile(resolve(cwd, file), file, env);
  const given = splitModels(sources.overrides ?? {}, "configuration", cwd);
  const overrides = withAbsolutePaths(sectionsOf(given.sections), cwd);
  const base = sectionsOf(sources.base ?? {});
  const merged = mergeSections(mergeSections(base, fromFile), overrides);
  const checked = parse(configSchema(), merged, { code: "invalid_config", what: file ?? "configuration" });
  // whoever names one model over a file of several wants that one
  const isOneModel = isRecord(overrides.model) && "path" in overrides.model;
  const models = given.models ?? (isOneModel ? null : modelsOfFile) ?? [];
  return deepFreeze(withModels({ ...checked, origin, models: [] }, models));
}

type Sections = Readonly<Record<string, unknown>>;

/** Entries of `models`; null where there is no such list. */
type Models = readonly { readonly entry: unknown; readonly options: EntryOptions }[] | null;

interface FileContent {
  readonly sections: Sections;
  readonly models: Models;
  readonly origin: ConfigOrigin;
}

const NO_FILE: FileContent = { sections: {}, models: null, origin: OWN_CONFIGURATION };

/** The one key that is no section of keys. */
function splitModels(
  value: Sections,
  what: string,
  folder: string,
): { readonly sections: Sections; readonly models: Models } {
  const { models, ...sections } = value;
  if (models === undefined || models === null) return { sections, models: null };
  if (!Array.isArray(models) || models.length === 0)
    throw new TroupeError(
      "invalid_config",
      `${what}: "models" must be a list of models, each with a "path".`,
    );
  const entries = models.map((entry: unknown, index) => ({
    entry,
    options: { what: `${what}: models[${index}]`, code: "invalid_config", folder } as const,
  }));
  return { sections, models: entries };
}

const TLS_PATHS = ["tlsCertificate", "tlsKey", "tlsClientCa"];

/** Keys that are paths, or lists of paths, by section. */
const PATHS: Readonly<Record<string, readonly string[]>> = {
  model: ["path", "cacheDir"],
  graphs: GRAPH_PATHS,
  log: ["rankDir"],
  server: [...TLS_PATHS, "apiKeyFile"],
  management: TLS_PATHS,
  metrics: TLS_PATHS,
};

function readFile(path: string, shownAs: string, env: NonNullable<ConfigSources["env"]>): FileContent {
  const value = readYamlFile(path, shownAs) ?? {};
  if (typeof value !== "object" || Array.isArray(value)) {
    throw new TroupeError(
      "invalid_config",
      `${shownAs}: must be sections of keys such as "server:", not ${kindOf(value)}.`,
    );
  }
  const folder = dirname(path);
  const dialect = recogniseDialect(value as Sections);
  const translation = dialect?.translate(value as Sections, { shownAs, folder, env });
  const own = splitModels(translation?.sections ?? (value as Sections), shownAs, folder);
  const sections = sectionsOf(own.sections);
  // The file is checked by itself first, so that its mistakes are reported under its own name.
  parse(configKeys(), sections, { code: "invalid_config", what: shownAs });
  const origin =
    dialect === null || translation === undefined
      ? OWN_CONFIGURATION
      : { system: dialect.name, noEffect: translation.noEffect };
  return { sections: withAbsolutePaths(sections, folder), models: own.models, origin };
}

/** A section whose keys are all commented out is null in YAML: the same as absent. */
function sectionsOf(value: Sections): Sections {
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, section]) => section !== null && section !== undefined)
      .map(([name, section]) => [name, isRecord(section) ? withoutUndefined(section) : section]),
  );
}

function withoutUndefined(section: Sections): Sections {
  return Object.fromEntries(Object.entries(section).filter(([, value]) => value !== undefined));
}

function withAbsolutePaths(sections: Sections, folder: string): Sections {
  const absolute: Record<string, unknown> = { ...sections };
  for (const [name, keys] of Object.entries(PATHS)) {
    const section = sections[name];
    if (isRecord(section)) absolute[name] = withAbsoluteKeys(section, keys, folder);
  }
  return absolute;
}

function mergeSections(below: Sections, above: Sections): Sections {
  const merged: Record<string, unknown> = { ...below };
  for (const [name, section] of Object.entries(above)) {
    const base = merged[name];
    merged[name] = isRecord(base) && isRecord(section) ? { ...base, ...section } : section;
  }
  return merged;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function kindOf(value: unknown): string {
  return Array.isArray(value) ? "a list" : `${JSON.stringify(value)}`;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const part of Object.values(value)) deepFreeze(part);
  }
  return value;
}
