/** The strategy that an architecture calls for: heads and channels whole, quantised inputs cut between blocks. */
import { TroupeError } from "../../errors/troupe-error.ts";
import { blockSizeOf, storedPartOf } from "../precisions/stored-form.ts";
import type { WeightStore } from "../safetensors/weight-store.ts";
import { strategyText } from "../tensor-parallel/strategy.ts";
import { type CutPart, cutProblem } from "../tensor-parallel/tensor-cut.ts";
import { REPLICATED, type TensorCut, type TensorCuts } from "../tensor-parallel/tensor-cuts.ts";

/** Numbers of ranks up to this are tried when the one asked for does not work. */
const MAX_RANKS = 1024;

/**
 * @returns the text of the strategy file
 * @throws TroupeError `invalid_request` for a number of ranks that does not divide the model, with the nearest that does
 */
export function defaultStrategy(store: WeightStore, cuts: TensorCuts, size: number): string {
  const tensors = store.files.flatMap((file) => file.tensors.map(({ name }) => name));
  const ofTensors = new Map(tensors.map((name) => [name, cutOf(name, store, cuts)]));
  const problem = firstProblem(ofTensors, cuts, store, size);
  if (problem === null) return strategyText(size, ofTensors);
  const nearest = nearestSize(size, (other) => firstProblem(ofTensors, cuts, store, other) === null);
  throw new TroupeError(
    "invalid_request",
    `The model cannot be split for ${size} ranks: ${problem}. The nearest number that works is ${nearest}.`,
    { details: { size, nearest } },
  );
}

/** Tensors that nothing is known of are whole on every rank. */
function cutOf(name: string, store: WeightStore, cuts: TensorCuts): TensorCut {
  const { quantization } = store;
  const stored = quantization === null ? null : storedPartOf(quantization, name);
  if (stored === null) {
    if (cuts.tables.has(name)) return REPLICATED;
    return cuts.matrices.get(name)?.cut ?? cuts.biases.get(name) ?? REPLICATED;
  }
  const matrix = cuts.matrices.get(stored.tensor);
  if (matrix === undefined) return REPLICATED;
  const { cut, inputs } = matrix;
  if (cut.kind === "replicated" || cut.axis === 0) return cut;
  const blockSize = blockSizeOf(quantization);
  if (blockSize === null) return stored.part === "values" ? cut : REPLICATED;
  const blocks: CutPart = {
    name: "inputs",
    unit: "block",
    numUnits: Math.ceil(inputs / blockSize),
    unitSize: 1,
  };
  return { kind: "cut", axis: 1, parts: [blocks], numGroups: 1 };
}

function firstProblem(
  ofTensors: ReadonlyMap<string, TensorCut>,
  cuts: TensorCuts,
  store: WeightStore,
  size: number,
): string | null {
  const blockSize = blockSizeOf(store.quantization);
  const blockProblem = blockSize === null ? null : firstBlockProblem(cuts, size, blockSize);
  if (blockProblem !== null) return blockProblem;
  for (const cut of ofTensors.values()) {
    const problem = cut.kind === "cut" ? cutProblem(cut, size) : null;
    if (problem !== null) return problem;
  }
  return null;
}

/** Blocks say nothing of the heads and channels they hold, and those must stay whole too. */
function firstBlockProblem(cuts: TensorCuts, size: number, blockSize: number): string | null {
  if (size === 1) return null;
  for (const { cut, inputs } of cuts.matrices.values()) {
    if (cut.kind === "replicated" || cut.axis === 0) continue;
    const problem = cutProblem(cut, size);
    if (problem !== null) return problem;
    if ((inputs / size) % blockSize !== 0) {
      return `${inputs / size} of ${inputs} quantised inputs for each are no multiple of a block of ${blockSize}`;
    }
  }
  return null;
}

function nearestSize(size: number, works: (size: number) => boolean): number {
  const possible = Array.from({ length: MAX_RANKS }, (_, index) => index + 1).filter(works);
  return possible.reduce((best, other) => (Math.abs(other - size) < Math.abs(best - size) ? other : best), 1);
}
