/** Mixtral: mistral with a mixture of experts in every layer. */
import { parse, z } from "../../core/schema.ts";
import type { Architecture } from "./architecture.ts";
import { configPath, llamaKeys } from "./llama-config.ts";
import { describeLlamaDecoder } from "./llama-decoder.ts";
import { checkNumChosen, describeMixture } from "./mixture.ts";
import { gatedMlp } from "./parts.ts";

const size = z.number().int().positive();
const schema = z.looseObject({
  ...llamaKeys,
  num_local_experts: size.default(8),
  num_experts_per_tok: size.default(2),
});

const EXPERT_NAMES = { gateUp: ["w1", "w3"], down: "w2" } as const;

export const mixtral: Architecture = {
  names: ["MixtralForCausalLM"],
  describe(folder) {
    const what = configPath(folder);
    const config = parse(schema, folder.config, { code: "invalid_model", what });
    const { num_local_experts: numExperts, num_experts_per_tok: numChosen } = config;
    checkNumChosen(numChosen, numExperts, what);
    return describeLlamaDecoder(folder, config, {
      window: () => config.sliding_window ?? null,
      layer: ({ prefix, hiddenSize, activation }) => ({
        mlp: describeMixture(`${prefix}.block_sparse_moe.gate`, hiddenSize, {
          numExperts,
          numChosen,
          normalizeWeights: true,
          expert: (index, segmentPrefix) =>
            gatedMlp(`${prefix}.block_sparse_moe.experts.${index}`, hiddenSize, config.intermediate_size, {
              activation,
              names: EXPERT_NAMES,
              segmentPrefix,
            }),
        }),
      }),
    });
  },
};
