/** Reads what a model folder is from its JSON files and the headers of its weights; no weight is read. */
import { readdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { defaultConfig } from "../config/defaults.ts";
import { TroupeError } from "../errors/troupe-error.ts";
import type { KvDtype } from "../kv/forms/kv-form.ts";
import { kvPageBytes } from "../kv/kv-memory.ts";
import { describeModel } from "../model/architectures/registry.ts";
import { buildSegments } from "../model/compile/segments.ts";
import { PRECISIONS, type Precision } from "../model/compiled-model.ts";
import type {
  DecoderDescription,
  LayerDescription,
  LinearDescription,
  NormDescription,
} from "../model/decoder-description.ts";
import { type OpenedGraphs, openGraphs } from "../model/graphs/open-graphs.ts";
import { mlpLinears } from "../model/mlp-description.ts";
import { type ModelFolder, readModelFolder } from "../model/model-folder.ts";
import { LINEAR_FORMS } from "../model/precisions/linear-forms.ts";
import { WeightStore } from "../model/safetensors/weight-store.ts";
import { listWeightFiles } from "../model/shards/list-weight-files.ts";
import { selectChatForm } from "../text/chat-forms/select-chat-form.ts";
import { hasTokenizerFiles } from "../text/load-tokenizer.ts";
import { readModelFamily } from "../text/model-family.ts";
import { readTokenizerSettings } from "../text/tokenizer-settings.ts";
import type { ModelSizes, ModelSummary } from "./services.ts";

/**
 * @throws TroupeError `invalid_model` for a folder that is no model. An architecture that Troupe does not have is no
 * error here: it is what the summary says.
 */
export async function inspectModel(dir: string): Promise<ModelSummary> {
  const opened = await openGraphs(dir, defaultConfig().graphs);
  if (opened !== null) return await inspectGraphs(opened);
  const folder = await readModelFolder(dir);
  const files = await listWeightFiles(dir);
  const fileSizes = await Promise.all(files.map(async (file) => (await stat(join(dir, file))).size));
  const summary = {
    folder: dir,
    architecture: folder.architecture,
    checkpointBytes: fileSizes.reduce((sum, size) => sum + size, 0),
    ...(await textSide(dir)),
  };
  try {
    return { ...summary, unsupported: null, sizes: await sizesOf(folder) };
  } catch (error) {
    if (!(error instanceof TroupeError) || error.code !== "unsupported_model") throw error;
    return { ...summary, unsupported: error.message.replace(`${dir}: `, ""), sizes: null };
  }
}

async function textSide(dir: string): Promise<Pick<ModelSummary, "hasTokenizer" | "hasChatTemplate">> {
  const settings = await readTokenizerSettings(dir);
  const form = selectChatForm(await readModelFamily(dir), settings);
  return {
    hasTokenizer: await hasTokenizerFiles(dir),
    hasChatTemplate: settings.templates.length > 0 || form !== null,
  };
}

/** The weights of graphs lie in them, or in files beside them whose names only the graphs know. */
async function inspectGraphs({ folder, model }: OpenedGraphs): Promise<ModelSummary> {
  const { numLayers, numKvHeads, headDim, vocabSize, maxPositions } = model;
  const files = [...new Set([model.prefill.file, model.decode.file])];
  const dir = dirname(files[0]!);
  const names = (await readdir(dir)).filter((name) => /\.onnx|_data$|\.data$/.test(name));
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(dir, name))).size));
  const kvBytes = (kvDtype: KvDtype): number =>
    kvPageBytes({ numLayers, numKvHeads, headDim, pageSize: 1, kvDtype });
  return {
    folder: folder.dir,
    architecture: folder.architecture,
    checkpointBytes: sizes.reduce((sum, size) => sum + size, 0),
    ...(await textSide(folder.dir)),
    unsupported: null,
    sizes: null,
    graphs: {
      files,
      numLayers,
      numKvHeads,
      headDim,
      vocabSize,
      maxPositions,
      kvBytesPerToken: { f32: kvBytes("f32"), f16: kvBytes("f16"), int8: kvBytes("int8") },
    },
  };
}

async function sizesOf(folder: ModelFolder): Promise<ModelSizes> {
  const decoder = describeModel(folder);
  await using store = await WeightStore.open(folder.dir);
  const precisions = store.quantization === null ? PRECISIONS : [store.quantization];
  const weightBytes = (precision: Precision): number =>
    buildSegments(decoder, LINEAR_FORMS[precision], store).reduce(
      (sum, segment) => sum + segment.weightBytes,
      0,
    );
  const { hiddenSize, numHeads, numKvHeads, headDim, vocabSize, maxPositions, layers } = decoder;
  const kvBytes = (kvDtype: KvDtype): number =>
    kvPageBytes({ numLayers: layers.length, numKvHeads, headDim, pageSize: 1, kvDtype });
  return {
    numParameters: countParameters(decoder),
    numLayers: layers.length,
    hiddenSize,
    numHeads,
    numKvHeads,
    headDim,
    vocabSize,
    maxPositions,
    precisionBytes: Object.fromEntries(
      precisions.map((precision) => [precision, weightBytes(precision)] as const),
    ),
    kvBytesPerToken: { f32: kvBytes("f32"), f16: kvBytes("f16"), int8: kvBytes("int8") },
  };
}

/** Counts each tensor once, however often it is used: tied embeddings, packed projections. */
function countParameters(decoder: DecoderDescription): number {
  const { embedding, hiddenSize } = decoder;
  const sizes = new Map<string, number>([[embedding.tensor, decoder.vocabSize * hiddenSize]]);
  if (embedding.positions !== null) sizes.set(embedding.positions, decoder.maxPositions * hiddenSize);
  const addNorm = (norm: NormDescription | null): void => {
    if (norm === null) return;
    sizes.set(norm.tensor, norm.size);
    if (norm.kind === "layer") sizes.set(norm.bias, norm.size);
  };
  const addLinear = (linear: LinearDescription): void => {
    for (const { tensor, tensorRows } of linear.weight) sizes.set(tensor, tensorRows * linear.inputs);
    for (const { tensor, tensorRows } of linear.bias ?? []) sizes.set(tensor, tensorRows);
  };
  for (const layer of decoder.layers) {
    for (const norm of layerNorms(layer)) addNorm(norm);
    for (const linear of [layer.qkv, layer.output, ...mlpLinears(layer.mlp)]) addLinear(linear);
  }
  addNorm(embedding.norm);
  addNorm(decoder.finalNorm);
  addLinear(decoder.head);
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}

function layerNorms(layer: LayerDescription): (NormDescription | null)[] {
  const { inputNorm, queryNorm, keyNorm, attentionPostNorm, mlpNorm, mlpPostNorm } = layer;
  return [inputNorm, queryNorm, keyNorm, attentionPostNorm, mlpNorm, mlpPostNorm];
}
