/** A linear layer in the segment's precision. */
import type { Segment } from "../compile/segment.ts";
import type { LinearDescription } from "../decoder-description.ts";
import type { Value } from "../onnx/graph-builder.ts";

/**
 * @param form how the weight is kept where that is not the segment's precision
 * @returns x · weightᵀ + bias [tokens, outputs]
 */
export function linear(
  segment: Segment,
  x: Value,
  description: LinearDescription,
  form = segment.linearForm,
): Value {
  const product = form.product(segment, x, description);
  if (description.bias === null) return product;
  return segment.graph.node("Add", [product, segment.vector(`${description.name}.bias`, description.bias)]);
}
