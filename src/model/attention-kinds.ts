/** Layers whose attention looks at the same keys of the same tokens share the plan of a step. */
import type { AttentionSpec } from "./compiled-model.ts";

/** What a plan depends on. */
export interface AttentionKind {
  /** See {@link AttentionSpec}. */
  readonly window: number | null;
  /** Masks hold distances (ALiBi), not zeros, where a query may look. */
  readonly distances: boolean;
}

/** The kinds that a model has, in the order of their first layers, and which of them each layer is of. [numLayers] */
export interface AttentionKinds {
  readonly kinds: readonly AttentionKind[];
  readonly ofLayer: readonly number[];
}

/** @param specs of all layers */
export function attentionKinds(specs: readonly AttentionSpec[]): AttentionKinds {
  const kinds: AttentionKind[] = [];
  const ofLayer = specs.map(({ window, alibiSlopes }) => {
    const distances = alibiSlopes !== null;
    const known = kinds.findIndex((kind) => kind.window === window && kind.distances === distances);
    return known === -1 ? kinds.push({ window, distances }) - 1 : known;
  });
  return { kinds, ofLayer };
}
