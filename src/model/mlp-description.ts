/** The feed-forward part of a layer as data. */
import type { LinearDescription } from "./decoder-description.ts";

/** Elementwise functions between two products. `gelu-tanh` is the approximation by tanh. */
export type Activation = "silu" | "gelu" | "gelu-tanh";

/** down(activation(gate(x)) · up(x)), gate and up in one product. */
export interface GatedMlpDescription {
  readonly kind: "gated";
  readonly activation: Activation;
  /** Gate's rows, then up's. */
  readonly gateUp: LinearDescription;
  readonly down: LinearDescription;
}

/** down(activation(up(x))). */
export interface PlainMlpDescription {
  readonly kind: "plain";
  readonly activation: Activation;
  readonly up: LinearDescription;
  readonly down: LinearDescription;
}

/** Each token's sum over the few experts that a router gives the highest probability, weighted by it. */
export interface MixtureDescription {
  readonly kind: "mixture";
  /** [numExperts] scores of a token; kept in float32 in every precision, for a small error here chooses another expert. */
  readonly router: LinearDescription;
  readonly numChosen: number;
  /** Weights of the chosen ones are made to sum up to 1. */
  readonly normalizeWeights: boolean;
  readonly experts: readonly GatedMlpDescription[];
  /** One more expert that every token goes through, weighted by sigmoid(gate(x)); null for none. */
  readonly shared: { readonly mlp: GatedMlpDescription; readonly gate: LinearDescription } | null;
}

/** One of the three. */
export type MlpDescription = GatedMlpDescription | PlainMlpDescription | MixtureDescription;

/** Every linear layer of a feed-forward part. */
export function mlpLinears(mlp: MlpDescription): LinearDescription[] {
  switch (mlp.kind) {
    case "gated":
      return [mlp.gateUp, mlp.down];
    case "plain":
      return [mlp.up, mlp.down];
    case "mixture": {
      const shared = mlp.shared === null ? [] : [mlp.shared.gate, ...mlpLinears(mlp.shared.mlp)];
      return [mlp.router, ...mlp.experts.flatMap(mlpLinears), ...shared];
    }
  }
}
