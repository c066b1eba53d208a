/** One graph from its header: which inputs and outputs are keys and values, and how it wants its past. */
import { TroupeError } from "../../errors/troupe-error.ts";
import type { GraphHeader, GraphValue } from "../onnx/graph-header.ts";
import { GRAPH_FLOATS, type GraphFloat, type GraphSpec, type PastSide } from "./graph-model.ts";
import { findKvNames, type KvNameForm } from "./kv-names.ts";

/** What is known of a graph's names beside its own. */
export interface SpecOptions {
  readonly kvNames: KvNameForm | null;
  /** Name of the output with the logits; null takes `logits`, or the only output that is neither key nor value. */
  readonly logits: string | null;
  /** What the graph calls inputs that the builders know by other names. */
  readonly aliases: Readonly<Record<string, string>>;
  /** Somebody's own input builder may say how much of the past counts in ways that cannot be seen here. */
  readonly hasOwnBuilder: boolean;
}

/** Inputs that tell a graph how many earlier tokens count. */
const LENGTH_INPUTS = ["batch_valid_length", "valid_length", "current_index"];

/** Sizes of keys and values as one graph has them; null where it does not say. */
export interface KvSizes {
  readonly numLayers: number;
  readonly numKvHeads: number | null;
  readonly headDim: number | null;
  readonly vocabSize: number | null;
}

/** @throws TroupeError `invalid_model`, `unsupported_model` */
export function graphSpec(header: GraphHeader, options: SpecOptions): { spec: GraphSpec; sizes: KvSizes } {
  const { past, present } = findKvNames(header, options.kvNames);
  const pastNames = new Set([...(past?.keys ?? []), ...(past?.values ?? [])]);
  const presentNames = new Set([...(present?.keys ?? []), ...(present?.values ?? [])]);
  const kv = [
    ...header.inputs.filter(({ name }) => pastNames.has(name)),
    ...header.outputs.filter(({ name }) => presentNames.has(name)),
  ];
  const inputs = header.inputs.filter(({ name }) => !pastNames.has(name));
  const others = header.outputs.filter(({ name }) => !presentNames.has(name));
  const logits = logitsOf(header, others, options.logits);
  const hasGroupQueryAttention = header.operators.has("GroupQueryAttention");
  const ids = inputs.find(({ name }) => ["input_ids", "tokens"].includes(options.aliases[name] ?? name));
  const spec: GraphSpec = {
    file: header.path,
    inputs,
    past,
    present,
    kvType: kv.length === 0 ? "float32" : floatTypeOf(header, kv),
    pastSide: pastSideOf(inputs, hasGroupQueryAttention, options),
    hasGroupQueryAttention,
    logits: logits.name,
    logitsType: floatTypeOf(header, [logits]),
    lastLogitsOnly: logits.dims?.length === 2 || logits.dims?.[1] === 1,
    fixed: {
      batch: fixedSize(ids?.dims?.[0]),
      tokens: fixedSize(ids?.dims?.[1]),
      past: fixedSize(header.inputs.find(({ name }) => pastNames.has(name))?.dims?.[2]),
    },
  };
  for (const value of kv) checkRank(header, value);
  const sizeAt = (axis: number) =>
    kv.map(({ dims }) => fixedSize(dims?.[axis])).find((size) => size !== null);
  const sizes = {
    numLayers: present?.keys.length ?? past?.keys.length ?? 1,
    numKvHeads: sizeAt(1) ?? null,
    headDim: sizeAt(3) ?? null,
    vocabSize: fixedSize(logits.dims?.at(-1)),
  };
  return { spec, sizes };
}

function fixedSize(dim: number | string | null | undefined): number | null {
  return typeof dim === "number" && dim > 0 ? dim : null;
}

function pastSideOf(
  inputs: readonly GraphValue[],
  hasGroupQueryAttention: boolean,
  { aliases, hasOwnBuilder }: SpecOptions,
): PastSide {
  const names = new Set(inputs.map(({ name }) => aliases[name] ?? name));
  if (hasGroupQueryAttention || LENGTH_INPUTS.some((name) => names.has(name))) return "start";
  if (names.has("attention_mask") && names.has("position_ids")) return "end";
  return hasOwnBuilder ? "start" : "exact";
}

function logitsOf(header: GraphHeader, outputs: readonly GraphValue[], named: string | null): GraphValue {
  const wanted = outputs.find(({ name }) => name === (named ?? "logits"));
  const found = wanted ?? (named === null && outputs.length === 1 ? outputs[0] : undefined);
  if (found !== undefined) return found;
  const names = header.outputs.map(({ name }) => name);
  throw invalid(
    header,
    `has no output ${named ?? "logits"}; its outputs are ${names.slice(0, 8).join(", ")}`,
  );
}

function floatTypeOf(header: GraphHeader, values: readonly GraphValue[]): GraphFloat {
  const types = new Set(values.map(({ type }) => type));
  const found = GRAPH_FLOATS.find((type) => types.size === 1 && types.has(type));
  if (found !== undefined) return found;
  const odd =
    values.find(({ type }) => type === null || !GRAPH_FLOATS.includes(type as GraphFloat)) ?? values[0]!;
  throw new TroupeError(
    "unsupported_model",
    `${header.path}: ${odd.name} is ${odd.type ?? "of an unknown type"}; keys, values and logits must be float32 or float16, all of one type. Export it with float32 or float16 inputs and outputs.`,
    { details: { path: header.path, name: odd.name } },
  );
}

function checkRank(header: GraphHeader, { name, dims }: GraphValue): void {
  if (dims === null || dims.length === 4) return;
  throw new TroupeError(
    "unsupported_model",
    `${header.path}: ${name} has ${dims.length} dimensions [${dims.join(", ")}]; keys and values must be [batch, heads, length, head size].`,
    { details: { path: header.path, name } },
  );
}

function invalid({ path }: GraphHeader, what: string): TroupeError {
  return new TroupeError("invalid_model", `${path} ${what}.`, { details: { path } });
}
