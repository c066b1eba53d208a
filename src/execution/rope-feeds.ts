/** The rows of the rope tables that a step's tokens need, as feeds named cos.N and sin.N. */
import type { CompiledModel, RopeSpec } from "../model/compiled-model.ts";
import { type RopeTable, ropeTable } from "../model/rope.ts";
import { FloatScratch } from "./float-scratch.ts";
import { type Tensor, tensor } from "./onnx-runtime.ts";
import type { StepRows } from "./step-rows.ts";

/** The place of each row in a rope's table: one list, or one for each dimension of two-dimensional positions. [numRows] */
type Places = readonly Int32Array[];

/** Makes the feeds of every rope of a model. */
export class RopeFeeds {
  readonly #ropes: readonly { readonly spec: RopeSpec; readonly table: RopeTable }[];
  readonly #scratch = new FloatScratch();

  constructor(model: Pick<CompiledModel, "ropes">, maxPositions: number) {
    this.#ropes = model.ropes.map((spec) => {
      const turned = spec.positions === undefined ? spec : { ...spec, rotaryDim: spec.rotaryDim / 2 };
      return { spec, table: ropeTable(turned, maxPositions) };
    });
  }

  /** @returns cos.N and sin.N, each [numRows, rotaryDim / 2], valid until the next call */
  rows(rows: StepRows): Record<string, Tensor> {
    this.#scratch.reset();
    const feeds: Record<string, Tensor> = {};
    const numPositions = rows.positions.reduce((max, position) => Math.max(max, position), 0) + 1;
    for (const [index, { spec, table }] of this.#ropes.entries()) {
      const places = spec.positions === undefined ? [rows.positions] : prefixAndBlock(rows);
      const { cos, sin } = table.upTo(numPositions);
      feeds[`cos.${index}`] = this.#gather(cos, places, table.width);
      feeds[`sin.${index}`] = this.#gather(sin, places, table.width);
    }
    return feeds;
  }

  /** Rows of a table side by side, one for each dimension. [numRows, dimensions * width] */
  #gather(table: Float32Array, places: Places, width: number): Tensor {
    const rowWidth = places.length * width;
    const numRows = places[0]!.length;
    const rows = this.#scratch.take(numRows * rowWidth);
    for (const [dimension, list] of places.entries()) {
      for (const [row, place] of list.entries()) {
        rows.set(table.subarray(place * width, (place + 1) * width), row * rowWidth + dimension * width);
      }
    }
    return tensor("float32", rows, [numRows, rowWidth]);
  }
}

/** The place in the prefix, its last for all behind it; and how far behind the prefix. */
function prefixAndBlock({ pieces, positions }: StepRows): Places {
  const prefix = positions.slice();
  const block = new Int32Array(positions.length);
  let row = 0;
  for (const { prefixLen, numQueries } of pieces) {
    const last = Math.max(0, prefixLen - 1);
    for (const end = row + numQueries; row < end; row++) {
      prefix[row] = Math.min(positions[row]!, last);
      block[row] = Math.max(0, positions[row]! - prefixLen + 1);
    }
  }
  return [prefix, block];
}
