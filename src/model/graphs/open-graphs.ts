/**
 * From a folder and the configuration's section `graphs` to a model that can be run as it is; from the headers of its
 * files alone, no weight is read.
 */
import { join } from "node:path";
import type { GraphsConfig } from "../../config/config.ts";
import { parse } from "../../core/schema.ts";
import { TroupeError } from "../../errors/troupe-error.ts";
import { eosTokenIdSchema, readGenerationConfig } from "../generation-config.ts";
import { readOptionalJson } from "../json-file.ts";
import type { ModelFolder } from "../model-folder.ts";
import { readGraphHeader } from "../onnx/graph-header.ts";
import type { GenaiConfig } from "./genai-config.ts";
import { findGraphFiles, type GraphFiles } from "./graph-files.ts";
import type { GraphBuckets, GraphModel, GraphSpec } from "./graph-model.ts";
import { configSizes, graphConfigSchema } from "./graph-sizes.ts";
import { graphSpec, type KvSizes, type SpecOptions } from "./graph-spec.ts";
import type { KvNameForm } from "./kv-names.ts";

/** A model of graphs and what its folder says beside them. */
export interface OpenedGraphs {
  readonly folder: ModelFolder;
  readonly model: GraphModel;
}

/**
 * @returns null when the configuration names no graphs and the folder has none to be served as they are
 * @throws TroupeError `invalid_config`, `invalid_model`, `unsupported_model`, `file_error`
 * @example
 * ```ts
 * const opened = await openGraphs("models/exported", parseConfig().graphs);
 * opened?.model.numLayers;
 * ```
 */
export async function openGraphs(dir: string, config: GraphsConfig): Promise<OpenedGraphs | null> {
  const files = filesOf(config) ?? (await findGraphFiles(dir));
  if (files === null) return null;
  const configPath = join(dir, "config.json");
  const json = files.genai?.sizes ?? (await readOptionalJson(configPath)) ?? {};
  const what = files.genai?.path ?? configPath;
  const said = parse(graphConfigSchema, json, { code: "invalid_model", what });
  const generation = await readGenerationConfig(dir);
  const ownEnds = parse(eosTokenIdSchema, said.eos_token_id, { code: "invalid_model", what });
  const architecture = said.architectures?.[0] ?? files.genai?.type ?? said.model_type ?? "graph";
  return {
    folder: {
      dir,
      architecture,
      config: said,
      eosTokenIds: [
        ...new Set([
          ...ownEnds,
          ...(files.genai?.eosTokenIds ?? []),
          ...generation.eosTokenIds,
          ...config.eosTokenIds,
        ]),
      ],
      defaultParams: generation.defaultParams,
    },
    model: describe(files, config, architecture, configSizes(said)),
  };
}

/** The configuration's own files. */
function filesOf({ prefill, decode }: GraphsConfig): GraphFiles | null {
  if (prefill.length === 0) return null;
  if (prefill.length > 1) throw severalRanks(prefill.length);
  return { prefill: prefill[0]!, decode: decode[0] ?? prefill[0]!, genai: null };
}

function severalRanks(numRanks: number): TroupeError {
  return new TroupeError(
    "unsupported",
    `graphs.prefill names ${numRanks} files, one for each rank. Graphs that were cut for several ranks add up their parts ` +
      "inside (AllReduce, AllGather), which ONNX Runtime has no operators for on the CPU. Export the model whole, as one pair; " +
      "or serve its weights (*.safetensors) with engine.tensorParallel.",
    { details: { numRanks } },
  );
}

function describe(
  files: GraphFiles,
  config: GraphsConfig,
  architecture: string,
  said: ReturnType<typeof configSizes>,
): GraphModel {
  const aliases = aliasesOf(files.genai);
  const options: SpecOptions = {
    kvNames: kvNamesOf(config, files.genai),
    logits: files.genai?.outputs.logits ?? null,
    aliases,
    hasOwnBuilder: config.inputModule !== null,
  };
  const prefill = graphSpec(readGraphHeader(files.prefill), options);
  const decode = files.decode === files.prefill ? prefill : graphSpec(readGraphHeader(files.decode), options);
  checkPair(prefill.spec, decode.spec);
  const sizes = mergeSizes(prefill, decode);
  const isRecomputed = prefill.spec.present === null;
  const size = (name: string, fixed: number | null, other: number | undefined): number => {
    const value = fixed ?? other;
    if (value !== undefined && Number.isInteger(value)) return value;
    throw invalid(
      files.prefill,
      `does not say its ${name}, and neither does config.json in the model's folder`,
    );
  };
  const buckets = bucketsOf(config, prefill.spec, decode.spec);
  const model: GraphModel = {
    architecture,
    numLayers: isRecomputed ? 1 : sizes.numLayers,
    numKvHeads: isRecomputed ? 1 : size("number of KV heads", sizes.numKvHeads, said.numKvHeads),
    headDim: isRecomputed ? 1 : size("head size", sizes.headDim, said.headDim),
    vocabSize: config.vocabSize ?? size("vocabulary", sizes.vocabSize, said.vocabSize),
    maxPositions: maxPositionsOf(said.maxPositions, buckets, isRecomputed),
    prefill: prefill.spec,
    decode: decode.spec,
    buckets,
    inputs: {
      module: config.inputModule,
      basic: config.basicInputs,
      extra: config.extraInputs,
      warmup: config.warmupInputs,
      aliases,
      padTokenId: config.padTokenId,
    },
    maxPromptLen: null,
  };
  const longest = buckets.seqLengths.at(-1);
  const isWhole = prefill.spec.past === null && longest !== undefined;
  return isWhole ? { ...model, maxPromptLen: longest } : model;
}

/** genai_config.json says the graph's name for each standard one. */
function aliasesOf(genai: GenaiConfig | null): Record<string, string> {
  const names = Object.entries(genai?.inputs ?? {}).filter(([standard]) => !standard.endsWith("_names"));
  return Object.fromEntries(names.map(([standard, name]) => [name, standard]));
}

function kvNamesOf(config: GraphsConfig, genai: GenaiConfig | null): KvNameForm | null {
  const { pastKeys, pastValues, presentKeys, presentValues } = config;
  if (pastKeys !== null && pastValues !== null && presentKeys !== null && presentValues !== null)
    return { pastKeys, pastValues, presentKeys, presentValues };
  if (genai === null) return null;
  const { inputs, outputs } = genai;
  return {
    pastKeys: inputs.past_key_names ?? "past_key_values.%d.key",
    pastValues: inputs.past_value_names ?? "past_key_values.%d.value",
    presentKeys: outputs.present_key_names ?? "present.%d.key",
    presentValues: outputs.present_value_names ?? "present.%d.value",
  };
}

function checkPair(prefill: GraphSpec, decode: GraphSpec): void {
  if (prefill.present !== null && decode.past === null)
    throw invalid(
      decode.file,
      decode === prefill
        ? "gives keys and values and takes none; name the graph that takes them in graphs.decode"
        : "takes no keys and values of earlier tokens, which the decode graph must",
    );
  if (prefill.present === null && decode !== prefill)
    throw invalid(prefill.file, "gives no keys and values for the decode graph to go on with");
  if (prefill.kvType !== decode.kvType || prefill.logitsType !== decode.logitsType)
    throw invalid(
      decode.file,
      `has ${decode.kvType} keys and ${decode.logitsType} logits, the prefill graph ${prefill.kvType} and ${prefill.logitsType}`,
    );
}

function mergeSizes(
  prefill: { readonly spec: GraphSpec; readonly sizes: KvSizes },
  decode: { readonly spec: GraphSpec; readonly sizes: KvSizes },
): KvSizes {
  for (const name of ["numLayers", "numKvHeads", "headDim", "vocabSize"] as const) {
    const [ours, theirs] = [prefill.sizes[name], decode.sizes[name]];
    if (ours !== null && theirs !== null && ours !== theirs)
      throw invalid(decode.spec.file, `has ${name} ${theirs}, the prefill graph ${ours}: they are no pair`);
  }
  return {
    numLayers: decode.sizes.numLayers,
    numKvHeads: prefill.sizes.numKvHeads ?? decode.sizes.numKvHeads,
    headDim: prefill.sizes.headDim ?? decode.sizes.headDim,
    vocabSize: prefill.sizes.vocabSize ?? decode.sizes.vocabSize,
  };
}

/** A size that a graph fixes is its only bucket. */
function bucketsOf(config: GraphsConfig, prefill: GraphSpec, decode: GraphSpec): GraphBuckets {
  const bucket = (key: keyof GraphBuckets, fixed: number | null, file: string): readonly number[] => {
    const wanted = config[key];
    if (fixed === null) return wanted;
    if (wanted.some((size) => size !== fixed))
      throw new TroupeError(
        "invalid_config",
        `graphs.${key} is [${wanted.join(", ")}], but ${file} was exported for ${fixed} alone.`,
        { details: { path: `graphs.${key}` } },
      );
    return [fixed];
  };
  const pasts =
    prefill.fixed.past !== null && decode.fixed.past !== null && prefill.fixed.past !== decode.fixed.past;
  if (pasts)
    throw invalid(
      decode.file,
      `takes a past of ${decode.fixed.past}, the prefill graph one of ${prefill.fixed.past}`,
    );
  const actLengths = bucket("actLengths", decode.fixed.past ?? prefill.fixed.past, decode.file);
  if (actLengths.length > 0 && decode.pastSide === "exact")
    throw invalid(
      decode.file,
      `would be run with a past of ${actLengths.join(", ")} (its own length, or graphs.actLengths), but has no input that ` +
        "says how much of it counts: attention_mask with position_ids, or batch_valid_length",
    );
  return {
    // One file for both: a fixed number of tokens is that of a decode.
    seqLengths: bucket("seqLengths", prefill.fixed.tokens, prefill.file),
    prefillBatchSizes: bucket("prefillBatchSizes", prefill.fixed.batch, prefill.file),
    decodeBatchSizes: bucket("decodeBatchSizes", decode.fixed.batch, decode.file),
    actLengths,
  };
}

function maxPositionsOf(said: number | undefined, buckets: GraphBuckets, isRecomputed: boolean): number {
  const limits = [said, buckets.actLengths.at(-1), isRecomputed ? buckets.seqLengths.at(-1) : undefined];
  const known = limits.filter((limit) => limit !== undefined);
  if (known.length > 0) return Math.min(...known);
  throw new TroupeError(
    "invalid_config",
    "Nothing says how many tokens the graphs can take: set graphs.actLengths, or add config.json with max_position_embeddings to the model's folder.",
  );
}

function invalid(file: string, what: string): TroupeError {
  return new TroupeError("invalid_model", `${file} ${what}.`, { details: { file } });
}
