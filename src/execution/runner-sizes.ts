/** Whether everything that a runner is made from fits together. */
import { TroupeError } from "../errors/troupe-error.ts";
import type { ModelRunnerOptions } from "./model-runner.ts";

/** @throws TroupeError `invalid_model` when memory and model do not fit each other. */
export function checkRunnerSizes({ model, kv, logits, allGather }: ModelRunnerOptions): void {
  const { numLayers, part, layout, segments } = model;
  const numBlocks = (part === null ? 1 : 4) * numLayers + 1;
  const sizes = [
    ["ranks", allGather?.memory.numRanks ?? 1, part?.numRanks ?? 1],
    ["numLayers", kv.layout.numLayers, numLayers],
    ["numKvHeads", kv.layout.numKvHeads, model.numKvHeads],
    ["headDim", kv.layout.headDim, model.headDim],
    ["vocabSize", logits.vocabSize, model.vocabSize],
    ...(layout === "blocks" ? [["segments", segments.length, numBlocks] as const] : []),
    ["attention", model.attention.length, numLayers],
  ] as const;
  for (const [name, got, expected] of sizes) {
    if (got === expected) continue;
    throw new TroupeError("invalid_model", `${name} is ${got} where the compiled model needs ${expected}.`, {
      details: { name, got, expected },
    });
  }
}
