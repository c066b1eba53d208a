/** From a decoder's linear layers to its tensors: how each tensor of a checkpoint is cut. */
import { invariant } from "../../errors/troupe-error.ts";
import type { DecoderDescription, RowRange } from "../decoder-description.ts";
import { type LinearCut, linearCuts } from "./linear-cuts.ts";
import type { AxisCut, CutPart } from "./tensor-cut.ts";

/** How a tensor is cut: whole on every rank, its rows (axis 0), or its columns (axis 1). */
export type TensorCut =
  | { readonly kind: "replicated" }
  | ({ readonly kind: "cut"; readonly axis: 0 | 1 } & AxisCut);

export const REPLICATED: TensorCut = { kind: "replicated" };

/** What is known of the weight matrix of a linear layer. */
export interface MatrixCut {
  readonly cut: TensorCut;
  /** [outputs, inputs] */
  readonly inputs: number;
  /** Kept in float in every precision. */
  readonly isFloat: boolean;
  /** Rows count by their direction alone. */
  readonly unitRows: boolean;
}

/** Cuts of a checkpoint's tensors; those in neither map are whole on every rank. */
export interface TensorCuts {
  readonly matrices: ReadonlyMap<string, MatrixCut>;
  readonly biases: ReadonlyMap<string, TensorCut>;
  /** Tables that rows are looked up in, whole on every rank even where they are the head's weight too. */
  readonly tables: ReadonlySet<string>;
}

/**
 * Describes the cuts that a decoder calls for.
 *
 * @param nameOf what the checkpoint calls a tensor, where it leaves out a part of the name
 */
export function tensorCuts(
  decoder: DecoderDescription,
  nameOf: (tensor: string) => string = (tensor) => tensor,
): TensorCuts {
  const matrices = new Map<string, MatrixCut>();
  const biases = new Map<string, TensorCut>();
  for (const linear of linearCuts(decoder)) {
    const { weight, bias, inputs, unitRows = false } = linear.linear;
    for (const tensor of tensorsOf(weight)) {
      matrices.set(nameOf(tensor), {
        cut: cutOf(linear, weight, tensor),
        inputs,
        isFloat: linear.isFloat,
        unitRows,
      });
    }
    for (const tensor of tensorsOf(bias ?? [])) {
      const cut = linear.outputs === null ? REPLICATED : cutOf(linear, bias!, tensor);
      biases.set(nameOf(tensor), cut);
    }
  }
  const { tensor, positions } = decoder.embedding;
  const tables = (positions === null ? [tensor] : [tensor, positions]).map(nameOf);
  return { matrices, biases, tables: new Set(tables) };
}

function tensorsOf(ranges: readonly RowRange[]): Set<string> {
  return new Set(ranges.map((range) => range.tensor));
}

function cutOf({ outputs, inputs }: LinearCut, ranges: readonly RowRange[], tensor: string): TensorCut {
  if (inputs !== null) return { kind: "cut", axis: 1, parts: [inputs], numGroups: 1 };
  if (outputs === null) return REPLICATED;
  const parts = partsInTensor(outputs, ranges, tensor);
  const numGroups = countGroups(parts);
  return { kind: "cut", axis: 0, parts: parts.slice(0, parts.length / numGroups), numGroups };
}

/** The parts that lie in one tensor, in the order of its rows: ranges stack up to the layer's outputs. */
function partsInTensor(outputs: readonly CutPart[], ranges: readonly RowRange[], tensor: string): CutPart[] {
  const found: { readonly row: number; readonly part: CutPart }[] = [];
  let rangeStart = 0;
  for (const range of ranges) {
    let partStart = 0;
    for (const part of outputs) {
      const partEnd = partStart + part.numUnits * part.unitSize;
      const start = Math.max(rangeStart, partStart);
      const numRows = Math.min(rangeStart + range.numRows, partEnd) - start;
      if (range.tensor === tensor && numRows > 0) {
        const numUnits = numRows / part.unitSize;
        invariant(Number.isInteger(numUnits), `${tensor}: ranges of ${part.name} hold whole units`);
        found.push({ row: range.firstRow + start - rangeStart, part: { ...part, numUnits } });
      }
      partStart = partEnd;
    }
    rangeStart += range.numRows;
  }
  return found.sort((a, b) => a.row - b.row).map(({ part }) => part);
}

/** Parts that come again and again in the same order: a packed projection, KV head by KV head. */
function countGroups(parts: readonly CutPart[]): number {
  const period = new Set(parts.map(({ name }) => name)).size;
  const repeats = parts.every((part, index) => {
    const first = parts[index % period]!;
    return part.name === first.name && part.numUnits === first.numUnits;
  });
  invariant(parts.length % period === 0 && repeats, "the parts of a packed tensor repeat in one order");
  return parts.length / period;
}
