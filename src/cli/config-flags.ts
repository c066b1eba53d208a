/** Flags that set configuration keys, as a table, and the configuration that flags, file and defaults give together. */
import type { TroupeConfig } from "../config/config.ts";
import { loadConfig, type PartialConfig } from "../config/load-config.ts";
import { precisionNames } from "../config/precision-names.ts";
import { TroupeError } from "../errors/troupe-error.ts";
import { KV_DTYPES } from "../kv/forms/kv-form.ts";
import type { CliContext } from "./cli-context.ts";
import type { FlagSpec } from "./command-spec.ts";
import type { FlagValues } from "./flag-values.ts";

/** A flag and the key it sets. */
export interface ConfigFlag extends FlagSpec {
  /** Dotted path of the key. */
  readonly key: string;
  /** A list's values may stand in one word, with commas between them. */
  readonly hasCommas?: boolean;
  /** What a switch sets; true when absent. */
  readonly sets?: boolean;
}

const CONFIG_FILE: FlagSpec = {
  flags: "-c, --config <file>",
  kind: "text",
  description: "YAML configuration file; flags win over it (every key: configs/understudy.yaml)",
};

const model = (flag: Omit<ConfigFlag, "group">): ConfigFlag => ({ ...flag, group: "Model:" });
const engine = (flag: Omit<ConfigFlag, "group">): ConfigFlag => ({ ...flag, group: "Engine:" });
const server = (flag: Omit<ConfigFlag, "group">): ConfigFlag => ({ ...flag, group: "Server:" });
const log = (flag: Omit<ConfigFlag, "group">): ConfigFlag => ({ ...flag, group: "Log:" });

const MODEL_FLAGS: readonly ConfigFlag[] = [
  model({
    flags: "-m, --model <folder>",
    key: "model.path",
    kind: "text",
    description: "Hugging Face folder: config.json, safetensors, tokenizer (default: the embedded model)",
  }),
  model({
    flags: "-p, --precision <name>",
    key: "model.precision",
    kind: "text",
    choices: precisionNames,
    description:
      "how weights are stored and multiplied; default fp32, or what a converted folder is in; names from bf16 on choose --kv too",
  }),
  model({
    flags: "--cache-dir <folder>",
    key: "model.cacheDir",
    kind: "text",
    description: "where compiled models are kept (default: the user's cache folder)",
  }),
];

const TENSOR_PARALLEL = engine({
  flags: "--tp, --tensor-parallel <n>",
  key: "engine.tensorParallel",
  kind: "number",
  description: "ranks that the model is split over (default: as many as the folder has shards, else 1)",
});

const ENGINE_FLAGS: readonly ConfigFlag[] = [
  model({
    flags: "--skip-tokenizer-init",
    key: "model.skipTokenizerInit",
    kind: "switch",
    description: "work on token ids alone; the folder needs no tokenizer",
  }),
  model({
    flags: "--tool-parser <name>",
    key: "model.toolParser",
    kind: "text",
    description: "how the model writes tool calls: hermes, llama3, mistral, chatglm3, none; default auto",
  }),
  engine({
    flags: "--max-model-len <tokens>",
    key: "engine.maxModelLen",
    kind: "number",
    description: "longest prompt plus answer (default: the model's own limit)",
  }),
  engine({
    flags: "--max-num-seqs <n>",
    key: "engine.maxNumSeqs",
    kind: "number",
    description: "sequences that run at once; default 32",
  }),
  engine({
    flags: "--max-num-batched-tokens <n>",
    key: "engine.maxNumBatchedTokens",
    kind: "number",
    description: "tokens computed in one step; default 256",
  }),
  engine({
    flags: "--kv-cache-mb <mib>",
    key: "engine.kvCacheMb",
    kind: "number",
    description: "memory for keys and values in MiB; default 256",
  }),
  engine({
    flags: "--kv <type>",
    key: "engine.kvDtype",
    kind: "text",
    choices: KV_DTYPES,
    description: "how keys and values are kept; default f32, or what --precision chooses",
  }),
  engine({
    flags: "--max-draft-tokens <n>",
    key: "engine.maxDraftTokens",
    kind: "number",
    description: "tokens a step may guess ahead, for answers that repeat or quote; default 0, none",
  }),
  engine({
    flags: "--threads <n>",
    key: "engine.threads",
    kind: "number",
    description: "threads that multiply matrices in each rank (default: cores / ranks)",
  }),
  TENSOR_PARALLEL,
  engine({
    flags: "--dp, --data-parallel <n>",
    key: "engine.dataParallel",
    kind: "number",
    description: "engines with the same model; requests are shared out among them; default 1",
  }),
  engine({
    flags: "--devices <names>",
    key: "engine.devices",
    kind: "list",
    hasCommas: true,
    description:
      "one for each rank, as cpu:0,cpu:1 (cpu:K, cuda:K, webgpu:0, dml:K or coreml; default: the CPU)",
  }),
  engine({
    flags: "--no-prefix-cache",
    key: "engine.prefixCache",
    kind: "switch",
    sets: false,
    description: "compute every prompt from its first token",
  }),
];

const LOG_FLAGS: readonly ConfigFlag[] = [
  log({
    flags: "--log-level <level>",
    key: "log.level",
    kind: "text",
    choices: ["fatal", "error", "warn", "info", "debug", "trace", "silent"],
    description: "least serious lines to write; debug adds stack traces to errors",
  }),
  log({
    flags: "--log-format <format>",
    key: "log.format",
    kind: "text",
    choices: ["pretty", "json"],
    description: "pretty for people, json for machines",
  }),
  log({
    flags: "--log-dir <folder>",
    key: "log.rankDir",
    kind: "text",
    description: "a log of each rank in this folder: worker_0.log, worker_1.log, ...",
  }),
];

const SERVER_FLAGS: readonly ConfigFlag[] = [
  server({
    flags: "--host <address>",
    key: "server.host",
    kind: "text",
    description: "address to listen on; default 127.0.0.1; 0.0.0.0 is every interface",
  }),
  server({
    flags: "--port <n>",
    key: "server.port",
    kind: "number",
    description: "port to listen on; default 8000; 0 takes a free one",
  }),
  server({
    flags: "--api-key <key...>",
    key: "server.apiKeys",
    kind: "list",
    description: "API keys to ask for; other users of the machine may see them here: prefer --api-key-file",
  }),
  server({
    flags: "--api-key-file <file>",
    key: "server.apiKeyFile",
    kind: "text",
    description: "file with one API key a line",
  }),
  server({
    flags: "--allowed-origin <origin...>",
    key: "server.allowedOrigins",
    kind: "list",
    description: 'web pages that may use the server, such as https://chat.example.com; "*" is every page',
  }),
  server({
    flags: "--tls-cert <file>",
    key: "server.tlsCertificate",
    kind: "text",
    description: "PEM certificate; with --tls-key the server speaks https and wss",
  }),
  server({
    flags: "--tls-key <file>",
    key: "server.tlsKey",
    kind: "text",
    description: "PEM key of the certificate, without a passphrase",
  }),
  server({
    flags: "--served-model-name <name...>",
    key: "model.servedNames",
    kind: "list",
    description: "names that requests may use as model (default: the folder's name)",
  }),
];

const ALL: readonly ConfigFlag[] = [...SERVER_FLAGS, ...MODEL_FLAGS, ...ENGINE_FLAGS, ...LOG_FLAGS];

/** Flags of `compile`. */
export const compileFlags: readonly FlagSpec[] = [CONFIG_FILE, ...MODEL_FLAGS, TENSOR_PARALLEL];
/** Flags of commands that run an engine. */
export const engineFlags: readonly FlagSpec[] = [CONFIG_FILE, ...MODEL_FLAGS, ...ENGINE_FLAGS, ...LOG_FLAGS];
/** Flags of commands that run no engine and log. */
export const plainLogFlags: readonly FlagSpec[] = LOG_FLAGS.filter(({ key }) => key !== "log.rankDir");
/** Flags of `serve`. */
export const serveFlags: readonly FlagSpec[] = [CONFIG_FILE, ...ALL];

/** What a command itself says about the configuration. */
export interface CommandConfig {
  /** File and flags win over them. */
  readonly defaults?: PartialConfig;
  /** Win over file and flags: what follows from a flag of the command's own. */
  readonly forced?: PartialConfig;
}

/**
 * Flags over --config over the command's defaults over defaults.
 *
 * @throws TroupeError `invalid_config`, in the words of the flags that were given.
 */
export function configFromFlags(
  context: CliContext,
  flags: FlagValues,
  { defaults, forced = {} }: CommandConfig = {},
): TroupeConfig {
  const overrides: Record<string, Record<string, unknown>> = {};
  for (const flag of ALL) {
    const long = longName(flag);
    if (!flags.has(long)) continue;
    const [section, key] = flag.key.split(".") as [string, string];
    const value =
      flag.kind === "switch"
        ? (flag.sets ?? true)
        : (flags.text(long) ?? flags.number(long) ?? listOf(flag, flags));
    overrides[section] = { ...overrides[section], [key]: value };
  }
  for (const [section, keys] of Object.entries(forced)) {
    overrides[section] = { ...overrides[section], ...keys };
  }
  try {
    return loadConfig({ file: flags.text("--config"), overrides, base: defaults, cwd: context.cwd });
  } catch (error) {
    throw inWordsOfFlags(error, flags);
  }
}

/** What `--devices` names, for commands that have it as a flag of their own. */
export function devicesOf(flags: FlagValues): readonly string[] {
  return flags.list("--devices")?.flatMap((value) => value.split(",")) ?? [];
}

function listOf(flag: ConfigFlag, flags: FlagValues): readonly string[] | undefined {
  const values = flags.list(longName(flag));
  return flag.hasCommas ? values?.flatMap((value) => value.split(",")) : values;
}

/** `--max-num-seqs` of `-x, --max-num-seqs <n>`; of two long spellings the second, as commander has it. */
export function longName(flag: FlagSpec): string {
  return flag.flags.match(/--[\w-]+/g)?.at(-1) ?? flag.flags;
}

function inWordsOfFlags(error: unknown, flags: FlagValues): unknown {
  if (!(error instanceof TroupeError)) return error;
  const flag = ALL.find(({ key }) => key === error.details.path);
  if (flag === undefined || !flags.has(longName(flag))) return error;
  const message = error.message.replace(/^.*?: "[\w.]+": /, `${longName(flag)} `);
  return new TroupeError(error.code, message, { cause: error, details: error.details });
}
