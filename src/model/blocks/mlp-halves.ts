/**
 * The feed-forward part of a layer in two halves, for ranks that have some columns of each: what lies between them is put
 * together from all ranks. An output `part.NAME` holds a rank's columns of the other half's input NAME.
 */
import type { Segment } from "../compile/segment.ts";
import { numOutputs } from "../decoder-description.ts";
import type { MixtureDescription, MlpDescription } from "../mlp-description.ts";
import type { Value } from "../onnx/graph-builder.ts";
import { linear } from "./linear.ts";
import {
  type ComputeExpert,
  expertsOfChoices,
  expertsOfTokens,
  orderOf,
  route,
  sumOfChoices,
  weightOfShared,
} from "./mixture.ts";
import { gatedInner, plainInner } from "./mlp.ts";

/** Up to what the second product takes. Declares the outputs. @param x [tokens, hiddenSize] */
export function enterMlp(segment: Segment, x: Value, mlp: MlpDescription): void {
  if (mlp.kind === "mixture") {
    enterMixture(segment, x, mlp);
    return;
  }
  const inner = mlp.kind === "gated" ? gatedInner(segment, x, mlp) : plainInner(segment, x, mlp);
  const width = mlp.kind === "gated" ? numOutputs(mlp.gateUp) / 2 : numOutputs(mlp.up);
  outputInner(segment, "inner", inner, width);
}

/** From the second product on. Declares the inputs. @returns [tokens, outputs of that product] */
export function leaveMlp(segment: Segment, mlp: MlpDescription): Value {
  if (mlp.kind === "mixture") return leaveMixture(segment, mlp);
  return linear(segment, inputInner(segment, "inner", mlp.down.inputs), mlp.down);
}

/** Floats of a token between the halves, of all ranks together. */
export function innerWidth(mlp: MlpDescription): number {
  if (mlp.kind !== "mixture") return mlp.down.inputs;
  const { numChosen, experts, shared } = mlp;
  return numChosen * experts[0]!.down.inputs + (shared?.mlp.down.inputs ?? 0);
}

/** The experts' second product. */
const down: ComputeExpert = (segment, inner, expert) => linear(segment, inner, expert.down);

function enterMixture(segment: Segment, x: Value, mlp: MixtureDescription): void {
  const { graph } = segment;
  const { numChosen, experts, shared } = mlp;
  const choices = route(segment, x, mlp);
  const width = numOutputs(experts[0]!.gateUp) / 2;
  const order = orderOf(segment, choices, mlp);
  const inner = expertsOfTokens(segment, { x, order, width }, mlp, gatedInner);
  outputInner(segment, "inner", inner, width);
  graph.output("choices", choices.ids, "int64", ["tokens", numChosen]);
  graph.output("choiceWeights", choices.weights, "float32", ["tokens", numChosen]);
  if (shared === null) return;
  outputInner(segment, "sharedInner", gatedInner(segment, x, shared.mlp), numOutputs(shared.mlp.gateUp) / 2);
  graph.output("sharedWeight", weightOfShared(segment, x, shared), "float32", ["tokens", 1]);
}

function leaveMixture(segment: Segment, mlp: MixtureDescription): Value {
  const { graph } = segment;
  const { numChosen, experts, shared } = mlp;
  const choices = {
    ids: graph.input("choices", "int64", ["tokens", numChosen]),
    weights: graph.input("choiceWeights", "float32", ["tokens", numChosen]),
  };
  const inner = inputInner(segment, "inner", experts[0]!.down.inputs);
  const order = orderOf(segment, choices, mlp);
  const width = numOutputs(experts[0]!.down);
  const results = expertsOfChoices(segment, { inner, order, width }, mlp, down);
  const sum = sumOfChoices(segment, { results, order, choices, width }, mlp);
  if (shared === null) return sum;
  const product = down(segment, inputInner(segment, "sharedInner", shared.mlp.down.inputs), shared.mlp);
  const weight = graph.input("sharedWeight", "float32", ["tokens", 1]);
  return graph.node("Add", [sum, graph.node("Mul", [product, weight])]);
}

function outputInner({ graph }: Segment, name: string, inner: Value, width: number): void {
  graph.output(`part.${name}`, inner, "float32", [`${name}Rows`, width]);
}

function inputInner({ graph }: Segment, name: string, width: number): Value {
  return graph.input(name, "float32", [`${name}Rows`, width]);
}
