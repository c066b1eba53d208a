/**
 * Mixture of experts, computing the chosen experts alone. Choices are sorted by expert; each expert that has any takes
 * its rows through its own products, the others cost an `If`; then the results go back to their tokens:
 *
 *     ids   [tokens, numChosen]     the router's choices, say [[2, 0], [0, 1]]
 *     order [tokens * numChosen]    the choices in order of experts: [1, 2, 3, 0]
 *     rank  [tokens * numChosen]    its inverse, where each choice's result lies: [3, 0, 1, 2]
 *
 * A token's results are summed in the order of its choices, so its bits do not depend on the other tokens.
 */
import type { Segment } from "../compile/segment.ts";
import type { GatedMlpDescription, MixtureDescription } from "../mlp-description.ts";
import type { Value } from "../onnx/graph-builder.ts";
import { fp32 } from "../precisions/fp32.ts";
import { linear } from "./linear.ts";

/** Computes one expert's rows. */
export type ComputeExpert = (segment: Segment, rows: Value, expert: GatedMlpDescription) => Value;

const INT64 = 7;
const BOOL = 9;

/**
 * @param x [tokens, hiddenSize]
 * @returns of the same shape
 */
export function mixture(
  segment: Segment,
  x: Value,
  description: MixtureDescription,
  compute: ComputeExpert,
): Value {
  const { graph } = segment;
  const { numChosen, router, shared } = description;
  const { weights, ids } = route(segment, x, description);
  const { order, rank } = sortByExpert(segment, ids);
  const tokens = graph.node("Div", [order, graph.int64s([numChosen])]); // whose choice each is [tokens * numChosen]
  const results = runExperts(segment, { x, tokens, ids }, description, compute);
  const perChoice = graph.node("Reshape", [
    graph.node("Gather", [results, rank], { axis: 0 }),
    graph.int64s([-1, numChosen, router.inputs]),
  ]);
  const weighted = graph.node("Mul", [
    perChoice,
    graph.node("Reshape", [weights, graph.int64s([-1, numChosen, 1])]),
  ]);
  const sum = graph.node("ReduceSum", [weighted, graph.int64s([1])], { keepdims: 0 });
  return shared === null ? sum : graph.node("Add", [sum, runShared(segment, x, shared, compute)]);
}

/** The chosen experts of each token, best first, and their weights; both [tokens, numChosen]. */
function route(
  segment: Segment,
  x: Value,
  { router, numChosen, normalizeWeights }: MixtureDescription,
): { readonly weights: Value; readonly ids: Value } {
  const { graph } = segment;
  const probabilities = graph.node("Softmax", [linear(segment, x, router, fp32)], { axis: -1 });
  const [weights, ids] = graph.multiNode(
    "TopK",
    [probabilities, graph.int64s([numChosen])],
    ["weights", "ids"],
    { axis: -1 },
  );
  if (!normalizeWeights) return { weights: weights!, ids: ids! };
  const total = graph.node("ReduceSum", [weights!, graph.int64s([-1])], { keepdims: 1 });
  return { weights: graph.node("Div", [weights!, total]), ids: ids! };
}

/** A full TopK is a stable sort: among equals the first comes first. */
function sortByExpert({ graph }: Segment, ids: Value): { readonly order: Value; readonly rank: Value } {
  const choices = graph.node("Reshape", [ids, graph.int64s([-1])]);
  const sort = (values: Value) => {
    const all = [values, graph.node("Shape", [values])];
    return graph.multiNode("TopK", all, ["sorted", "order"], { axis: 0, largest: 0 })[1]!;
  };
  const order = sort(choices);
  return { order, rank: sort(order) };
}

interface Routed {
  readonly x: Value;
  /** [tokens * numChosen] */
  readonly tokens: Value;
  /** [tokens, numChosen] */
  readonly ids: Value;
}

/** Results of all choices in order of experts. [tokens * numChosen, hiddenSize] */
function runExperts(
  segment: Segment,
  { x, tokens, ids }: Routed,
  { experts, router }: MixtureDescription,
  compute: ComputeExpert,
): Value {
  const { graph } = segment;
  const counts = countChoices(segment, ids, experts.length);
  const split = (values: Value, sizes: Value, name: string) => {
    const names = experts.map((_, expert) => `${name}.${expert}`);
    return graph.multiNode("Split", [values, sizes], names, { axis: 0 });
  };
  const tokensOf = split(tokens, counts, "tokens");
  const ones = graph.int64s(experts.map(() => 1));
  const isChosen = split(graph.node("Cast", [counts], { to: BOOL }), ones, "isChosen");
  const none = graph.initializer(
    `${segment.scope}noRows`,
    "float32",
    [0, router.inputs],
    new Float32Array(0),
  );
  const results = experts.map((expert, index) =>
    graph.conditional(
      isChosen[index]!,
      () => compute(segment, graph.node("Gather", [x, tokensOf[index]!], { axis: 0 }), expert),
      () => graph.node("Identity", [none]),
    ),
  );
  return graph.node("Concat", results, { axis: 0 });
}

/** How often each expert was chosen: int64 [numExperts]. */
function countChoices({ graph }: Segment, ids: Value, numExperts: number): Value {
  const everyExpert = graph.int64s(Array.from({ length: numExperts }, (_, expert) => expert));
  const isEqual = graph.node("Equal", [graph.node("Reshape", [ids, graph.int64s([-1, 1])]), everyExpert]);
  return graph.node("ReduceSum", [graph.node("Cast", [isEqual], { to: INT64 }), graph.int64s([0])], {
    keepdims: 0,
  });
}

function runShared(
  segment: Segment,
  x: Value,
  { mlp, gate }: NonNullable<MixtureDescription["shared"]>,
  compute: ComputeExpert,
): Value {
  const { graph } = segment;
  const factor = graph.node("Sigmoid", [linear(segment, x, gate, fp32)]); // [tokens, 1]
  return graph.node("Mul", [compute(segment, x, mlp), factor]);
}
