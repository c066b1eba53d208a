/**
 * How a weight folder keeps quantised matrices: beside, or in place of, the float tensor `T` lie its values `T.int8`
 * [outputs, inputs] or `T.int4` [outputs, blocks, block / 2] and their scales `T.scale` ([outputs] or [outputs, blocks]).
 * {@link BLOCK_SIZES} is the one place that says how many inputs make a block.
 */
import type { Precision } from "../compiled-model.ts";

/** Precisions in which matrices are no floats. */
export const QUANTIZED_PRECISIONS = ["w8", "w4", "w4g128"] as const satisfies readonly Precision[];
/** One of {@link QUANTIZED_PRECISIONS}. */
export type QuantizedPrecision = (typeof QUANTIZED_PRECISIONS)[number];

/** Inputs that share a scale; null where all inputs of an output do. */
export const BLOCK_SIZES = { w8: null, w4: 32, w4g128: 128 } as const satisfies Record<
  QuantizedPrecision,
  number | null
>;

/** Inputs that share a scale in a folder; null where no blocks do: in floats, and where all inputs of an output do. */
export function blockSizeOf(precision: QuantizedPrecision | null): number | null {
  return precision === null ? null : BLOCK_SIZES[precision];
}

/** Precisions that scale block by block. */
export type BlockPrecision = {
  [P in QuantizedPrecision]: (typeof BLOCK_SIZES)[P] extends number ? P : never;
}[QuantizedPrecision];

const SUFFIX = { w8: ".int8", w4: ".int4", w4g128: ".int4" } as const satisfies Record<
  QuantizedPrecision,
  string
>;
/** What the name of a matrix's scales ends with. */
export const SCALE_SUFFIX = ".scale";

/** One tensor of a quantised matrix. */
export interface StoredPart {
  readonly name: string;
  /** As safetensors spells it. */
  readonly dataType: "I8" | "U8" | "F32";
  readonly shape: readonly number[];
}

/** A quantised matrix as a folder keeps it. */
export interface StoredForm {
  readonly values: StoredPart;
  readonly scales: StoredPart;
}

/** The tensors that keep a matrix [outputs, inputs] in a quantised precision. */
export function storedForm(
  precision: QuantizedPrecision,
  tensor: string,
  [outputs, inputs]: readonly [number, number],
): StoredForm {
  const name = `${tensor}${SUFFIX[precision]}`;
  const scale = { name: `${tensor}${SCALE_SUFFIX}`, dataType: "F32" } as const;
  const blockSize = BLOCK_SIZES[precision];
  if (blockSize === null) {
    return {
      values: { name, dataType: "I8", shape: [outputs, inputs] },
      scales: { ...scale, shape: [outputs] },
    };
  }
  const numBlocks = Math.ceil(inputs / blockSize);
  return {
    values: { name, dataType: "U8", shape: [outputs, numBlocks, blockSize / 2] },
    scales: { ...scale, shape: [outputs, numBlocks] },
  };
}

/** The matrix that a tensor of a quantised folder belongs to, and as what; null for every other tensor. */
export function storedPartOf(
  precision: QuantizedPrecision,
  name: string,
): { readonly tensor: string; readonly part: keyof StoredForm } | null {
  const values = SUFFIX[precision];
  if (name.endsWith(values)) return { tensor: name.slice(0, -values.length), part: "values" };
  if (name.endsWith(SCALE_SUFFIX)) return { tensor: name.slice(0, -SCALE_SUFFIX.length), part: "scales" };
  return null;
}
