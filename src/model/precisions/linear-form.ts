/** How the weights of linear layers are stored and multiplied: what a precision is. */
import type { Segment } from "../compile/segment.ts";
import type { LinearDescription } from "../decoder-description.ts";
import type { Value } from "../onnx/graph-builder.ts";

/** One precision. All of them give a row the same bits whatever other rows are in the batch. */
export interface LinearForm {
  /**
   * Adds x · weightᵀ, without the bias.
   *
   * @param x [tokens, inputs]
   * @returns [tokens, outputs]
   */
  product(segment: Segment, x: Value, linear: LinearDescription): Value;
}
