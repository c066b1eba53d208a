/** What a step must at least read and multiply, whoever computes it: bytes and operations by a Llama's shape. */
import type { KvDtype } from "../src/kv/forms/kv-form.ts";
import { KV_FORMS } from "../src/kv/forms/kv-forms.ts";
import type { Precision } from "../src/model/compiled-model.ts";
import { BLOCK_SIZES } from "../src/model/precisions/stored-form.ts";
import type { LlamaShape } from "./random-checkpoint.ts";

/** Bytes of a weight: w8 has a float32 scale for each output, w4 and w4g128 one for each block. */
const WEIGHT_BYTES: Readonly<Record<Precision, number>> = {
  fp32: 4,
  w8: 1,
  w4: 0.5 + 4 / BLOCK_SIZES.w4,
  w4g128: 0.5 + 4 / BLOCK_SIZES.w4g128,
};

/** Weights of all matrices that every token is multiplied with; the embedding is only looked up. */
export function numWeights(shape: LlamaShape, { withHead }: { readonly withHead: boolean }): number {
  const { hiddenSize, intermediateSize, numHeads, numKvHeads, headDim, numLayers, vocabSize } = shape;
  const attention = hiddenSize * headDim * (2 * numHeads + 2 * numKvHeads);
  const layer = attention + 3 * hiddenSize * intermediateSize;
  return numLayers * layer + (withHead ? vocabSize * hiddenSize : 0);
}

/** Read once in every step. */
export function weightBytes(shape: LlamaShape, precision: Precision): number {
  return numWeights(shape, { withHead: true }) * WEIGHT_BYTES[precision];
}

/** Keys and values of one token. */
export function kvTokenBytes({ numLayers, numKvHeads, headDim }: LlamaShape, kvDtype: KvDtype): number {
  return 2 * numLayers * numKvHeads * KV_FORMS[kvDtype].rowBytes(headDim);
}

/** Multiplications and additions with the weights of a prompt of which the last token alone gives logits. */
export function prefillOperations(shape: LlamaShape, numTokens: number): number {
  const head = shape.vocabSize * shape.hiddenSize;
  return 2 * (numTokens * numWeights(shape, { withHead: false }) + head);
}
