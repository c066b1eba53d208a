/** The parts that descriptions of most families are put together from. */
import type { AttentionSpec } from "../compiled-model.ts";
import {
  type DecoderDims,
  type LayerDescription,
  type LinearDescription,
  type NormDescription,
  type RowRange,
  wholeTensor,
} from "../decoder-description.ts";
import type { Activation, GatedMlpDescription } from "../mlp-description.ts";

/** RMS norm of a module. */
export function rmsNorm(module: string, size: number, epsilon: number): NormDescription {
  return { kind: "rms", tensor: `${module}.weight`, size, epsilon };
}

/** Layer norm of a module, with its bias. */
export function layerNorm(module: string, size: number, epsilon: number): NormDescription {
  return { kind: "layer", tensor: `${module}.weight`, bias: `${module}.bias`, size, epsilon };
}

/** Modules stacked into one product, with the outputs of each. */
export function linear(
  name: string,
  inputs: number,
  modules: Readonly<Record<string, number>>,
  hasBias: boolean,
): LinearDescription {
  const rows = (suffix: string) =>
    Object.entries(modules).map(([module, numRows]) => wholeTensor(`${module}.${suffix}`, numRows));
  return { name, inputs, weight: rows("weight"), bias: hasBias ? rows("bias") : null };
}

/** Query, key and value rows of one packed module that keeps each KV head's together: its queries, its key, its value. */
export function groupedQkv(
  module: string,
  { hiddenSize, numHeads, numKvHeads, headDim }: DecoderDims,
  hasBias: boolean,
): LinearDescription {
  const numQueryRows = (numHeads / numKvHeads) * headDim;
  const groupRows = numQueryRows + 2 * headDim;
  const rows = (suffix: string) => {
    const part = (first: number, numRows: number): RowRange[] =>
      Array.from({ length: numKvHeads }, (_, group) => ({
        tensor: `${module}.${suffix}`,
        tensorRows: numKvHeads * groupRows,
        firstRow: group * groupRows + first,
        numRows,
      }));
    const keys = part(numQueryRows, headDim);
    return [...part(0, numQueryRows), ...keys, ...part(numQueryRows + headDim, headDim)];
  };
  return { name: "qkv", inputs: hiddenSize, weight: rows("weight"), bias: hasBias ? rows("bias") : null };
}

/** The rows of one packed module whose query, key and value rows already lie in that order. */
export function stackedQkv(
  module: string,
  { hiddenSize, numHeads, numKvHeads, headDim }: DecoderDims,
  hasBias: boolean,
): LinearDescription {
  return linear("qkv", hiddenSize, { [module]: (numHeads + 2 * numKvHeads) * headDim }, hasBias);
}

/** Scores scaled by 1 / sqrt(headDim), and what a family has besides. */
export function attentionSpec(headDim: number, special: Partial<AttentionSpec> = {}): AttentionSpec {
  return { scale: 1 / Math.sqrt(headDim), window: null, softcap: null, alibiSlopes: null, ...special };
}

/** What most layers do without. */
export const PLAIN_LAYER = {
  residual: { kind: "input" },
  queryNorm: null,
  keyNorm: null,
  attentionPostNorm: null,
  mlpPostNorm: null,
} as const satisfies Partial<LayerDescription>;

/** Rows of the embedding as they are. */
export function plainEmbedding(tensor: string) {
  return { tensor, scale: 1, positions: null, norm: null } as const;
}

/** What most decoders do without. */
export const PLAIN_DECODER = { logitSoftcap: null, prefixAttention: null } as const;

/** A gated MLP by the names of its three projections. */
export function gatedMlp(
  module: string,
  hiddenSize: number,
  intermediateSize: number,
  options: {
    readonly activation: Activation;
    readonly hasBias?: boolean;
    /** Names of the projections. Default gate_proj, up_proj, down_proj; one name for gate and up where they are packed. */
    readonly names?: { readonly gateUp: readonly string[]; readonly down: string };
    /** Ahead of the names in the segment, for layers with several. */
    readonly segmentPrefix?: string;
  },
): GatedMlpDescription {
  const { activation, hasBias = false, segmentPrefix = "" } = options;
  const { gateUp, down } = options.names ?? { gateUp: ["gate_proj", "up_proj"], down: "down_proj" };
  const rows = (2 * intermediateSize) / gateUp.length;
  const modules = Object.fromEntries(gateUp.map((name) => [`${module}.${name}`, rows]));
  return {
    kind: "gated",
    activation,
    gateUp: linear(`${segmentPrefix}gate_up`, hiddenSize, modules, hasBias),
    down: linear(`${segmentPrefix}down`, intermediateSize, { [`${module}.${down}`]: hiddenSize }, hasBias),
  };
}
