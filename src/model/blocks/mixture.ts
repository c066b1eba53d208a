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

/** Computes one expert's rows: all of it, or the products before or behind the activation. */
export type ComputeExpert = (segment: Segment, rows: Value, expert: GatedMlpDescription) => Value;

/** What a router chose. */
export interface Choices {
  /** Experts of each token, best first: int64 [tokens, numChosen]. */
  readonly ids: Value;
  /** [tokens, numChosen] */
  readonly weights: Value;
}

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
  const { router, shared } = description;
  const choices = route(segment, x, description);
  const order = orderOf(segment, choices, description);
  const results = expertsOfTokens(segment, { x, order, width: router.inputs }, description, compute);
  const sum = sumOfChoices(segment, { results, order, choices, width: router.inputs }, description);
  if (shared === null) return sum;
  const weighted = [compute(segment, x, shared.mlp), weightOfShared(segment, x, shared)];
  return segment.graph.node("Add", [sum, segment.graph.node("Mul", weighted)]);
}

/** The choices of each token. @param x [tokens, hiddenSize] */
export function route(
  segment: Segment,
  x: Value,
  { router, numChosen, normalizeWeights }: MixtureDescription,
): Choices {
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

/** How much the shared expert counts: [tokens, 1]. */
export function weightOfShared(
  segment: Segment,
  x: Value,
  { gate }: NonNullable<MixtureDescription["shared"]>,
): Value {
  return segment.graph.node("Sigmoid", [linear(segment, x, gate, fp32)]);
}

/** Choices sorted by expert. */
export interface ChoiceOrder {
  /** [tokens * numChosen] */
  readonly order: Value;
  /** [tokens * numChosen] */
  readonly rank: Value;
  /** How often each expert was chosen: int64 [numExperts]. */
  readonly counts: Value;
}

/** A full TopK is a stable sort: among equals the first comes first. */
export function orderOf(segment: Segment, { ids }: Choices, { experts }: MixtureDescription): ChoiceOrder {
  const { graph } = segment;
  const all = graph.node("Reshape", [ids, graph.int64s([-1])]);
  const sort = (values: Value) => {
    const inputs = [values, graph.node("Shape", [values])];
    return graph.multiNode("TopK", inputs, ["sorted", "order"], { axis: 0, largest: 0 })[1]!;
  };
  const order = sort(all);
  return { order, rank: sort(order), counts: countChoices(segment, ids, experts.length) };
}

function countChoices({ graph }: Segment, ids: Value, numExperts: number): Value {
  const everyExpert = graph.int64s(Array.from({ length: numExperts }, (_, expert) => expert));
  const isEqual = graph.node("Equal", [graph.node("Reshape", [ids, graph.int64s([-1, 1])]), everyExpert]);
  return graph.node("ReduceSum", [graph.node("Cast", [isEqual], { to: INT64 }), graph.int64s([0])], {
    keepdims: 0,
  });
}

/**
 * Takes the tokens through their experts.
 *
 * @param rows x [tokens, hiddenSize]; width of what `compute` gives
 * @returns what comes of all choices, in order of experts [tokens * numChosen, width]
 */
export function expertsOfTokens(
  segment: Segment,
  { x, order: { order, counts }, width }: { x: Value; order: ChoiceOrder; width: number },
  { experts, numChosen }: MixtureDescription,
  compute: ComputeExpert,
): Value {
  const { graph } = segment;
  const tokens = graph.node("Div", [order, graph.int64s([numChosen])]); // whose choice each is [tokens * numChosen]
  const tokensOf = splitByExpert(segment, tokens, counts, experts.length);
  return perExpert(segment, counts, experts, width, (expert, index) =>
    compute(segment, graph.node("Gather", [x, tokensOf[index]!], { axis: 0 }), expert),
  );
}

/**
 * Takes rows that lie in order of experts already on through them.
 *
 * @param inner [tokens * numChosen, ...]
 * @returns [tokens * numChosen, width]
 */
export function expertsOfChoices(
  segment: Segment,
  { inner, order: { counts }, width }: { inner: Value; order: ChoiceOrder; width: number },
  { experts }: MixtureDescription,
  compute: ComputeExpert,
): Value {
  const rowsOf = splitByExpert(segment, inner, counts, experts.length);
  return perExpert(segment, counts, experts, width, (expert, index) =>
    compute(segment, rowsOf[index]!, expert),
  );
}

/** The weighted results of each token's choices, added up. @returns [tokens, width] */
export function sumOfChoices(
  { graph }: Segment,
  {
    results,
    order: { rank },
    choices: { weights },
    width,
  }: { results: Value; order: ChoiceOrder; choices: Choices; width: number },
  { numChosen }: MixtureDescription,
): Value {
  const perChoice = graph.node("Reshape", [
    graph.node("Gather", [results, rank], { axis: 0 }),
    graph.int64s([-1, numChosen, width]),
  ]);
  const weighted = graph.node("Mul", [
    perChoice,
    graph.node("Reshape", [weights, graph.int64s([-1, numChosen, 1])]),
  ]);
  return graph.node("ReduceSum", [weighted, graph.int64s([1])], { keepdims: 0 });
}

function splitByExpert({ graph }: Segment, rows: Value, counts: Value, numExperts: number): Value[] {
  const names = Array.from({ length: numExperts }, (_, expert) => `rows.${expert}`);
  return graph.multiNode("Split", [rows, counts], names, { axis: 0 });
}

/** What those experts give that were chosen by any token, one behind the other. */
function perExpert(
  segment: Segment,
  counts: Value,
  experts: readonly GatedMlpDescription[],
  width: number,
  compute: (expert: GatedMlpDescription, index: number) => Value,
): Value {
  const { graph } = segment;
  const flags = graph.node("Cast", [counts], { to: BOOL });
  const names = experts.map((_, expert) => `isChosen.${expert}`);
  const isChosen = graph.multiNode("Split", [flags, graph.int64s(experts.map(() => 1))], names, { axis: 0 });
  const none = graph.initializer(`${segment.scope}noRows`, "float32", [0, width], new Float32Array(0));
  const results = experts.map((expert, index) =>
    graph.conditional(
      isChosen[index]!,
      () => compute(expert, index),
      () => graph.node("Identity", [none]),
    ),
  );
  return graph.node("Concat", results, { axis: 0 });
}
