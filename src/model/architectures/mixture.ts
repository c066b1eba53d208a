/** What mixture-of-experts families share. */
import { TroupeError } from "../../errors/troupe-error.ts";
import type { GatedMlpDescription, MixtureDescription } from "../mlp-description.ts";
import { linear } from "./parts.ts";

/** What a mixture is described from. */
export interface MixtureParts {
  readonly numExperts: number;
  readonly numChosen: number;
  readonly normalizeWeights: boolean;
  /** @param segmentPrefix goes ahead of the names of its weights in the segment */
  expert(index: number, segmentPrefix: string): GatedMlpDescription;
  readonly shared?: MixtureDescription["shared"];
}

/** @param router the module that scores the experts */
export function describeMixture(router: string, hiddenSize: number, parts: MixtureParts): MixtureDescription {
  const { numExperts, numChosen, normalizeWeights, shared = null } = parts;
  return {
    kind: "mixture",
    router: linear("router", hiddenSize, { [router]: numExperts }, false),
    numChosen,
    normalizeWeights,
    experts: Array.from({ length: numExperts }, (_, index) => parts.expert(index, `expert.${index}.`)),
    shared,
  };
}

/** @throws TroupeError `invalid_model` when a token is to choose more experts than there are. */
export function checkNumChosen(numChosen: number, numExperts: number, what: string): void {
  if (numChosen <= numExperts) return;
  throw new TroupeError(
    "invalid_model",
    `${what}: num_experts_per_tok is ${numChosen}, but there are ${numExperts} experts`,
  );
}
