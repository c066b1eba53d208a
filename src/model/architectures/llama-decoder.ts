/**
 * The decoder of llama and its relatives: pre-norm, rotary attention with separate projections, gated SiLU MLP. A
 * family says only in what it differs.
 */
import type { AttentionSpec } from "../compiled-model.ts";
import {
  type DecoderDescription,
  type DecoderDims,
  type LayerDescription,
  type LinearDescription,
  type NormDescription,
  wholeTensor,
} from "../decoder-description.ts";
import type { ModelFolder } from "../model-folder.ts";
import { type Ropes, readRopes } from "../rope-config.ts";
import { decoderDims, type LlamaConfig } from "./llama-config.ts";

/** What differs between the relatives. */
export interface LlamaVariant {
  readonly qkvBias: boolean;
  readonly outputBias: boolean;
  readonly mlpBias: boolean;
  /** RMS norms over each head of q and k. */
  readonly headNorms: boolean;
  /** The window of each layer's attention; null sees all. */
  window(layer: number): number | null;
}

/** Describes a model of the family. */
export function describeLlamaDecoder(
  folder: ModelFolder,
  config: LlamaConfig,
  variant: LlamaVariant,
): DecoderDescription {
  const what = `${folder.dir}/config.json`;
  const dims = decoderDims(config, what);
  const ropes = readRopes(config, dims.headDim, what);
  const context = { config, dims, ropes, variant };
  const embedding = "model.embed_tokens.weight";
  const head = config.tie_word_embeddings ? embedding : "lm_head.weight";
  return {
    ...dims,
    maxPositions: ropes.maxPositions,
    embedding,
    layers: Array.from({ length: config.num_hidden_layers }, (_, index) => describeLayer(index, context)),
    finalNorm: norm("model.norm", dims.hiddenSize, config),
    head: {
      name: "head",
      inputs: dims.hiddenSize,
      weight: [wholeTensor(head, dims.vocabSize)],
      bias: null,
    },
    ropes: ropes.specs,
  };
}

interface Context {
  readonly config: LlamaConfig;
  readonly dims: DecoderDims;
  readonly ropes: Ropes;
  readonly variant: LlamaVariant;
}

function describeLayer(index: number, { config, dims, ropes, variant }: Context): LayerDescription {
  const { hiddenSize, headDim, numHeads, numKvHeads } = dims;
  const layer = `model.layers.${index}`;
  const attention = `${layer}.self_attn`;
  const mlp = `${layer}.mlp`;
  const headNorm = (name: string) =>
    variant.headNorms ? norm(`${attention}.${name}`, headDim, config) : null;
  const projections = {
    [`${attention}.q_proj`]: numHeads * headDim,
    [`${attention}.k_proj`]: numKvHeads * headDim,
    [`${attention}.v_proj`]: numKvHeads * headDim,
  };
  const gateUp = {
    [`${mlp}.gate_proj`]: config.intermediate_size,
    [`${mlp}.up_proj`]: config.intermediate_size,
  };
  return {
    attention: attentionSpec(headDim, variant.window(index)),
    rope: ropes.indexOf(config.layer_types?.[index] ?? ""),
    inputNorm: norm(`${layer}.input_layernorm`, hiddenSize, config),
    qkv: linear("qkv", hiddenSize, projections, variant.qkvBias),
    queryNorm: headNorm("q_norm"),
    keyNorm: headNorm("k_norm"),
    output: linear("output", numHeads * headDim, { [`${attention}.o_proj`]: hiddenSize }, variant.outputBias),
    mlpNorm: norm(`${layer}.post_attention_layernorm`, hiddenSize, config),
    mlp: {
      kind: "gated-silu",
      gateUp: linear("gate_up", hiddenSize, gateUp, variant.mlpBias),
      down: linear("down", config.intermediate_size, { [`${mlp}.down_proj`]: hiddenSize }, variant.mlpBias),
    },
  };
}

function attentionSpec(headDim: number, window: number | null): AttentionSpec {
  return { scale: 1 / Math.sqrt(headDim), window, softcap: null, alibiSlopes: null };
}

function norm(module: string, size: number, config: LlamaConfig): NormDescription {
  return { kind: "rms", tensor: `${module}.weight`, size, epsilon: config.rms_norm_eps };
}

/** Modules stacked into one product, with the outputs of each. */
function linear(
  name: string,
  inputs: number,
  modules: Readonly<Record<string, number>>,
  hasBias: boolean,
): LinearDescription {
  const rows = (suffix: string) =>
    Object.entries(modules).map(([module, numRows]) => wholeTensor(`${module}.${suffix}`, numRows));
  return { name, inputs, weight: rows("weight"), bias: hasBias ? rows("bias") : null };
}
