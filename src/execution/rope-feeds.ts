/** The rows of the rope tables that a step's tokens need, as feeds named cos.N and sin.N. */
import type { CompiledModel } from "../model/compiled-model.ts";
import { type RopeTable, ropeTable } from "../model/rope.ts";
import { FloatScratch } from "./float-scratch.ts";
import { type Tensor, tensor } from "./onnx-runtime.ts";

/** Makes the feeds of every rope of a model. */
export class RopeFeeds {
  readonly #tables: readonly RopeTable[];
  readonly #scratch = new FloatScratch();

  constructor(model: CompiledModel, maxPositions: number) {
    this.#tables = model.ropes.map((spec) => ropeTable(spec, maxPositions));
  }

  /**
   * @param positions of the step's tokens, in row order. [numTokens]
   * @returns cos.N and sin.N, each [numTokens, rotaryDim / 2], valid until the next call
   */
  rows(positions: Int32Array): Record<string, Tensor> {
    this.#scratch.reset();
    const feeds: Record<string, Tensor> = {};
    const numPositions = positions.reduce((max, position) => Math.max(max, position), 0) + 1;
    for (const [index, table] of this.#tables.entries()) {
      const { cos, sin } = table.upTo(numPositions);
      feeds[`cos.${index}`] = this.#gather(cos, positions, table.width);
      feeds[`sin.${index}`] = this.#gather(sin, positions, table.width);
    }
    return feeds;
  }

  #gather(table: Float32Array, positions: Int32Array, width: number): Tensor {
    const rows = this.#scratch.take(positions.length * width);
    for (const [row, position] of positions.entries()) {
      rows.set(table.subarray(position * width, (position + 1) * width), row * width);
    }
    return tensor("float32", rows, [positions.length, width]);
  }
}
