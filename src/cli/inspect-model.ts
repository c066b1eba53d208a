/** Reads what a model folder is from its JSON files and the headers of its weights; no weight is read. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
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
  const folder = await readModelFolder(dir);
  const files = await listWeightFiles(dir);
  const fileSizes = await Promise.all(files.map(async (file) => (await stat(join(dir, file))).size));
  const settings = await readTokenizerSettings(dir);
  const form = selectChatForm(await readModelFamily(dir), settings);
  const summary = {
    folder: dir,
    architecture: folder.architecture,
    checkpointBytes: fileSizes.reduce((sum, size) => sum + size, 0),
    hasTokenizer: await hasTokenizerFiles(dir),
    hasChatTemplate: settings.templates.length > 0 || form !== null,
  };
  try {
    return { ...summary, unsupported: null, sizes: await sizesOf(folder) };
  } catch (error) {
    if (!(error instanceof TroupeError) || error.code !== "unsupported_model") throw error;
    return { ...summary, unsupported: error.message.replace(`${dir}: `, ""), sizes: null };
  }
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
