/**
 * From a Hugging Face folder to segments in the cache: once for each content and precision.
 */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { TroupeError } from "../../errors/troupe-error.ts";
import type { KvDtype } from "../../kv/forms/kv-form.ts";
import type { Architecture } from "../architectures/architecture.ts";
import { describeModel } from "../architectures/registry.ts";
import type { CompiledModel, Layout, Precision, RankPart } from "../compiled-model.ts";
import type { DecoderDescription } from "../decoder-description.ts";
import { type ModelFolder, readModelFolder } from "../model-folder.ts";
import { LINEAR_FORMS } from "../precisions/linear-forms.ts";
import { WeightStore } from "../safetensors/weight-store.ts";
import { listWeightFiles } from "../shards/list-weight-files.ts";
import { type RankDecoder, shardDecoder } from "../tensor-parallel/shard-decoder.ts";
import type { RankPlace } from "../tensor-parallel/tensor-cut.ts";
import { createTemporaryFolder, removeAbandonedFolders } from "./cache-folder.ts";
import { choosePrecision } from "./choose-precision.ts";
import { FORMAT_VERSION, graphFileOf, readCompiled, writeCompiled } from "./compiled-file.ts";
import { fileHash, sha256 } from "./content-hash.ts";
import { createProgress, type OnProgress, type Progress } from "./progress.ts";
import { buildRankSegments, gatheredWidth } from "./rank-segments.ts";
import type { Segment } from "./segment.ts";
import { buildSegments } from "./segments.ts";
import { buildStacks, MAX_STACK_BYTES } from "./stacks.ts";
import { writeGraphs, writeSegments } from "./write-segments.ts";

/** What to compile and where to keep it. */
export interface CompileOptions {
  /** A Hugging Face folder, or one that was converted or split from it. */
  readonly modelDir: string;
  /** Null takes the precision of a folder that is quantised, and fp32 for others. */
  readonly precision: Precision | null;
  /** See defaultCacheDir. Created if need be. */
  readonly cacheDir: string;
  /** Compile only what this rank computes, in blocks. Default: the whole model. */
  readonly place?: RankPlace;
  /** How a whole model is cut. Default: stacks, which the CPU runs. */
  readonly layout?: Layout;
  /** Weights of a stack that has more than one layer, at most. Default MAX_STACK_BYTES. */
  readonly maxStackBytes?: number;
  /** Families to choose from, for programs that bring their own. Default ARCHITECTURES. */
  readonly architectures?: readonly Architecture[];
  /** Called as bytes are read; never called when the model lies in the cache and its content is known. */
  readonly onProgress?: OnProgress;
  /** Stops the compilation; nothing of it remains. */
  readonly signal?: AbortSignal;
}

/** A compiled model and the folder it lies in. */
export interface CompileResult {
  readonly dir: string;
  readonly model: CompiledModel;
}

/**
 * Compiles a model, or finds it compiled in the cache.
 *
 * @throws TroupeError `invalid_model`, `unsupported_model`; `invalid_config` when so many ranks cannot share it; `file_error` when the cache cannot be written; `cancelled`
 * @example
 * ```ts
 * const { dir, model } = await compileModel({
 *   modelDir: "models/understudy",
 *   precision: "w8",
 *   cacheDir: defaultCacheDir(),
 * });
 * const first = join(dir, stackFile(model.segments[0], "f32"));
 * ```
 */
export async function compileModel(options: CompileOptions): Promise<CompileResult> {
  const folder = await readModelFolder(options.modelDir);
  const whole = describeModel(folder, options.architectures);
  const decoder = options.place === undefined ? whole : shardDecoder(whole, options.place);
  const files = await listWeightFiles(folder.dir);
  const layout = options.place === undefined ? (options.layout ?? "stacks") : "blocks";
  const maxStackBytes = options.maxStackBytes ?? MAX_STACK_BYTES;
  const chosen = { ...options, layout, maxStackBytes, precision: await choosePrecision(options) };
  const progress = createProgress(options.onProgress, options.signal);
  try {
    const dir = join(options.cacheDir, await cacheKey(folder, decoder, files, chosen, progress));
    const cached = await readCompiled(dir);
    if (cached !== null) return { dir, model: cached };
    const model = await compileInto(dir, folder, decoder, chosen, progress);
    return { dir, model };
  } catch (error) {
    throw describeFailure(error, options.cacheDir);
  }
}

interface ChosenOptions extends CompileOptions {
  readonly precision: Precision;
  readonly layout: Layout;
  readonly maxStackBytes: number;
}

/** The name says what it is to people, the hash to us. Settings count by what they come to in the description. */
async function cacheKey(
  folder: ModelFolder,
  decoder: DecoderDescription | RankDecoder,
  files: readonly string[],
  { precision, layout, maxStackBytes, cacheDir, place }: ChosenOptions,
  progress: Progress,
): Promise<string> {
  const paths = files.map((file) => join(folder.dir, file));
  const sizes = await Promise.all(paths.map(async (path) => (await stat(path)).size));
  progress.begin(
    "hashing",
    sizes.reduce((sum, size) => sum + size, 0),
  );
  const hashes: string[] = [];
  for (const [index, path] of paths.entries()) {
    hashes.push(await fileHash(path, cacheDir, (numBytes) => progress.advance(files[index]!, numBytes)));
  }
  const content = JSON.stringify([
    FORMAT_VERSION,
    folder.architecture,
    precision,
    layout === "stacks" ? maxStackBytes : layout,
    decoder,
    files,
    hashes,
  ]);
  const type = folder.architecture.replace(/For[A-Z].*$/, "").toLowerCase();
  const part = place === undefined ? `-${layout}` : `-rank${place.rank}of${place.size}`;
  return `${type}-${precision}${part}-${sha256(content).slice(0, 32)}`;
}

async function compileInto(
  dir: string,
  folder: ModelFolder,
  decoder: DecoderDescription | RankDecoder,
  options: ChosenOptions,
  progress: Progress,
): Promise<CompiledModel> {
  await using store = await WeightStore.open(folder.dir);
  const { segments, names, variants } = build(decoder, options, store);
  const temporary = await createTemporaryFolder(options.cacheDir);
  try {
    await removeAbandonedFolders(options.cacheDir);
    await writeSegments(segments, { store, folder: temporary, progress });
    await writeGraphs(variants, temporary);
    const model = describeCompiled(folder, decoder, options, {
      segments: names,
      weightBytes: segments.reduce((sum, segment) => sum + segment.weightBytes, 0),
    });
    await writeCompiled(temporary.path, model);
    await temporary.publish(dir, async (path) => (await readCompiled(path)) !== null);
    return model;
  } catch (error) {
    await temporary.discard();
    throw error;
  }
}

interface BuiltSegments {
  readonly segments: readonly Segment[];
  /** What the compiled model calls them. */
  readonly names: readonly string[];
  /** More graphs over the same weights. */
  readonly variants: readonly Segment[];
}

function build(
  decoder: DecoderDescription | RankDecoder,
  { precision, layout, maxStackBytes }: ChosenOptions,
  store: WeightStore,
): BuiltSegments {
  const form = LINEAR_FORMS[precision];
  if (layout === "stacks" && !("place" in decoder)) {
    const of = (kvDtype: KvDtype) =>
      buildStacks(decoder, form, store, { kvDtype, maxWeightBytes: maxStackBytes });
    const segments = of("f32");
    const names = segments.map(({ weightsFile }) => graphFileOf(weightsFile));
    return { segments, names, variants: [...of("f16"), ...of("int8")] };
  }
  const segments =
    "place" in decoder ? buildRankSegments(decoder, form, store) : buildSegments(decoder, form, store);
  return { segments, names: segments.map(({ graphFile }) => graphFile), variants: [] };
}

function describeCompiled(
  folder: ModelFolder,
  decoder: DecoderDescription | RankDecoder,
  { precision, layout }: ChosenOptions,
  built: Pick<CompiledModel, "segments" | "weightBytes">,
): CompiledModel {
  const { hiddenSize, numHeads, numKvHeads, headDim, vocabSize, maxPositions, layers, ropes } = decoder;
  return {
    formatVersion: FORMAT_VERSION,
    architecture: folder.architecture,
    precision,
    layout,
    part: "place" in decoder ? rankPart(decoder) : null,
    hiddenSize,
    numLayers: layers.length,
    numHeads,
    numKvHeads,
    headDim,
    vocabSize,
    maxPositions,
    attention: layers.map((layer) => layer.attention),
    ropes,
    prefixAttention: decoder.prefixAttention,
    ...built,
  };
}

function rankPart(decoder: RankDecoder): RankPart {
  const { place, vocabulary } = decoder;
  const { start, end } = vocabulary;
  return {
    rank: place.rank,
    numRanks: place.size,
    firstLogit: start,
    numLogits: end - start,
    gatheredWidth: gatheredWidth(decoder),
  };
}

/** A failed system call here is about the cache folder: files of the model are read behind errors of their own. */
function describeFailure(error: unknown, cacheDir: string): unknown {
  if (!(error instanceof Error && "syscall" in error)) return error;
  const message = `Cannot keep compiled models in ${cacheDir}: ${error.message}. Make room there or choose another folder.`;
  return new TroupeError("file_error", message, { cause: error, details: { cacheDir } });
}
