/**
 * The decoder of llama and its relatives: pre-norm, rotary attention with separate projections, gated MLP. A family says
 * only in what it differs.
 */
import { TroupeError } from "../../errors/troupe-error.ts";
import {
  type DecoderDescription,
  type DecoderDims,
  type LayerDescription,
  type RotaryDescription,
  wholeTensor,
} from "../decoder-description.ts";
import type { Activation } from "../mlp-description.ts";
import type { ModelFolder } from "../model-folder.ts";
import { type Ropes, readRopes } from "../rope-config.ts";
import { readActivation } from "./activation.ts";
import { configPath, decoderDims, type LlamaConfig } from "./llama-config.ts";
import {
  attentionSpec,
  gatedMlp,
  linear,
  PLAIN_DECODER,
  PLAIN_LAYER,
  plainEmbedding,
  rmsNorm,
} from "./parts.ts";

/** What differs between the relatives; what is left out is as in llama. */
export interface LlamaVariant {
  /** Default none of the three. */
  readonly qkvBias?: boolean;
  readonly outputBias?: boolean;
  readonly mlpBias?: boolean;
  /** RMS norms over each head of q and k. Default none. */
  readonly headNorms?: boolean;
  /** Default halves. */
  readonly rotaryPairs?: RotaryDescription["pairs"];
  /** The window of each layer's attention; null, the default, sees all. */
  window?(layer: number): number | null;
  /** Parts that a layer has in place of llama's. `prefix` is the layer's module: model.layers.0 */
  layer?(parts: LayerContext): Partial<LayerDescription>;
}

/** What parts of a layer are described from. */
export interface LayerContext extends DecoderDims {
  readonly index: number;
  /** model.layers.0 */
  readonly prefix: string;
  readonly activation: Activation;
  readonly layer: LayerDescription;
}

/** Describes a model of the family. */
export function describeLlamaDecoder(
  folder: ModelFolder,
  config: LlamaConfig,
  variant: LlamaVariant,
): DecoderDescription {
  const what = configPath(folder);
  const dims = decoderDims(config, what);
  const ropes = readRopes(config, dims.headDim, what);
  const activation = readActivation(config.hidden_act, `${what}: hidden_act`);
  checkLayerTypes(config, what);
  const context = { config, dims, ropes, activation, variant };
  const embedding = "model.embed_tokens.weight";
  const head = config.tie_word_embeddings ? embedding : "lm_head.weight";
  return {
    ...dims,
    ...PLAIN_DECODER,
    maxPositions: ropes.maxPositions,
    embedding: plainEmbedding(embedding),
    layers: Array.from({ length: config.num_hidden_layers }, (_, index) => describeLayer(index, context)),
    finalNorm: rmsNorm("model.norm", dims.hiddenSize, config.rms_norm_eps),
    head: {
      name: "head",
      inputs: dims.hiddenSize,
      weight: [wholeTensor(head, dims.vocabSize)],
      bias: null,
    },
    ropes: ropes.specs,
  };
}

function checkLayerTypes(
  { layer_types: types, num_hidden_layers: numLayers }: LlamaConfig,
  what: string,
): void {
  if (!types || types.length === numLayers) return;
  throw new TroupeError(
    "invalid_model",
    `${what}: layer_types has ${types.length} entries for ${numLayers} layers`,
  );
}

interface Context {
  readonly config: LlamaConfig;
  readonly dims: DecoderDims;
  readonly ropes: Ropes;
  readonly activation: Activation;
  readonly variant: LlamaVariant;
}

function describeLayer(
  index: number,
  { config, dims, ropes, activation, variant }: Context,
): LayerDescription {
  const { hiddenSize, headDim, numHeads, numKvHeads } = dims;
  const prefix = `model.layers.${index}`;
  const attention = `${prefix}.self_attn`;
  const norm = (module: string, size = hiddenSize) => rmsNorm(module, size, config.rms_norm_eps);
  const projections = {
    [`${attention}.q_proj`]: numHeads * headDim,
    [`${attention}.k_proj`]: numKvHeads * headDim,
    [`${attention}.v_proj`]: numKvHeads * headDim,
  };
  const headNorms = variant.headNorms
    ? { queryNorm: norm(`${attention}.q_norm`, headDim), keyNorm: norm(`${attention}.k_norm`, headDim) }
    : {};
  const layer: LayerDescription = {
    ...PLAIN_LAYER,
    ...headNorms,
    attention: attentionSpec(headDim, { window: variant.window?.(index) ?? null }),
    rotary: {
      rope: ropes.indexOf(config.layer_types?.[index] ?? ""),
      pairs: variant.rotaryPairs ?? "halves",
    },
    inputNorm: norm(`${prefix}.input_layernorm`),
    qkv: linear("qkv", hiddenSize, projections, variant.qkvBias ?? false),
    output: linear(
      "output",
      numHeads * headDim,
      { [`${attention}.o_proj`]: hiddenSize },
      variant.outputBias ?? false,
    ),
    mlpNorm: norm(`${prefix}.post_attention_layernorm`),
    mlp: gatedMlp(`${prefix}.mlp`, hiddenSize, config.intermediate_size, {
      activation,
      hasBias: variant.mlpBias ?? false,
    }),
  };
  return { ...layer, ...variant.layer?.({ ...dims, index, prefix, activation, layer }) };
}
