/**
 * What makes the inputs of a graph that are neither keys nor values. A builder gives more than any one graph takes: each
 * graph is fed those that it has inputs for.
 */
import { pathToFileURL } from "node:url";
import { z } from "../../core/schema.ts";
import { TroupeError } from "../../errors/troupe-error.ts";
import type { GraphInputs, PastSide } from "../../model/graphs/graph-model.ts";
import { commonInputs } from "./common-inputs.ts";

/** One sequence in a run. */
export interface GraphRow {
  /** The tokens to compute, without padding. */
  readonly tokenIds: Int32Array;
  /** Tokens before them, whose keys and values are in the past. */
  readonly contextLen: number;
}

/** One run of a graph. */
export interface GraphStep {
  readonly phase: "prefill" | "decode";
  /** Rows of the run; those beyond the sequences that asked repeat the first. */
  readonly rows: readonly GraphRow[];
  /** Tokens of each row, padding included: padding stands behind a row's own tokens. */
  readonly numTokens: number;
  /** Length of the past, padding included. */
  readonly pastLength: number;
  /** Where in it a row's contextLen tokens lie: from its start, or up to its end. */
  readonly pastSide: PastSide;
  /** Fills up tokens. */
  readonly padTokenId: number;
}

/** A tensor before it has the element type that the graph wants. */
export interface InputTensor {
  readonly dims: readonly number[];
  /** As many as the product of dims; booleans are 0 and 1. */
  readonly values: ArrayLike<number>;
}

/** Inputs by name. */
export type BuiltInputs = Readonly<Record<string, InputTensor>>;
/** Makes the inputs of one run. */
export type InputBuilder = (step: GraphStep) => BuiltInputs;
/** Builders by the name that `graphs.basicInputs` and its like say. */
export type InputBuilders = Readonly<Record<string, InputBuilder>>;

/**
 * Gives a module's builders their type: the module's default export, which `graphs.inputModule` names.
 *
 * @example
 * ```ts
 * export default defineInputBuilders({
 *   mine: ({ rows }) => ({ lengths: { dims: [rows.length], values: rows.map((row) => row.tokenIds.length) } }),
 * });
 * ```
 */
export function defineInputBuilders(builders: InputBuilders): InputBuilders {
  return builders;
}

/** Beginnings of names, as MindSpore Serving (LlamaBasicInputs) and MindSpore Lite (llama_7b) have them. */
const COMMON_FAMILIES = [
  ...["common", "Llama", "InternLM", "WizardCoder", "Baichuan2"],
  ...[
    "llama",
    "codellama",
    "internlm",
    "wizard_coder",
    "baichuan2",
    "bloom",
    "glm2",
    "glm3",
    "gpt2",
    "codegeex2",
    "qwen",
  ],
];

const BUILT_IN: InputBuilders = Object.fromEntries(COMMON_FAMILIES.map((name) => [name, commonInputs]));

/** The builders of one model. */
export interface ChosenBuilders {
  /** For every run. */
  readonly build: InputBuilder;
  /** For warm-up. */
  readonly warmup: InputBuilder;
}

/** Says what is odd but does not stop anything. */
export type Warn = (message: string, fields: Readonly<Record<string, unknown>>) => void;

/** @throws TroupeError `file_error`, `invalid_config` when the module cannot be loaded or gives something else */
export async function chooseBuilders(inputs: GraphInputs, warn: Warn): Promise<ChosenBuilders> {
  const registered = inputs.module === null ? {} : await loadBuilders(inputs.module);
  const named = (name: string): InputBuilder => {
    const found = findBuilder(name, { ...BUILT_IN, ...registered });
    if (found === null) warn(`No input builder "${name}" is registered; common is used.`, { name });
    return found ?? commonInputs;
  };
  const basic = named(inputs.basic);
  const extra = inputs.extra === null ? null : named(inputs.extra);
  const build: InputBuilder = extra === null ? basic : (step) => ({ ...basic(step), ...extra(step) });
  return { build, warmup: inputs.warmup === null ? build : named(inputs.warmup) };
}

/** By its whole name, else by the longest registered name that it begins with. */
export function findBuilder(name: string, builders: InputBuilders): InputBuilder | null {
  const beginnings = Object.keys(builders).filter((known) => name.startsWith(known));
  const longest = beginnings.sort((a, b) => b.length - a.length)[0];
  return longest === undefined ? null : builders[longest]!;
}

const moduleSchema = z.object({
  default: z.record(
    z.string(),
    z.custom<InputBuilder>((value) => typeof value === "function"),
  ),
});

async function loadBuilders(path: string): Promise<InputBuilders> {
  let loaded: unknown;
  try {
    loaded = await import(pathToFileURL(path).href);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TroupeError("invalid_config", `graphs.inputModule: ${path} cannot be loaded: ${reason}`, {
      cause,
      details: { path: "graphs.inputModule" },
    });
  }
  const parsed = moduleSchema.safeParse(loaded);
  if (parsed.success) return parsed.data.default;
  throw new TroupeError(
    "invalid_config",
    `graphs.inputModule: ${path} must have a default export of builders by name: defineInputBuilders({ name: (step) => inputs }).`,
    { details: { path: "graphs.inputModule" } },
  );
}
