/** GLM-4 in Transformers' own layout: llama with half of each head rotated in neighbouring pairs, gate and up packed. */
import type { Architecture } from "./architecture.ts";
import { parseLlamaConfig } from "./llama-config.ts";
import { describeLlamaDecoder } from "./llama-decoder.ts";
import { gatedMlp } from "./parts.ts";

const MLP_NAMES = { gateUp: ["gate_up_proj"], down: "down_proj" } as const;
/** Transformers' default where config.json does not say. */
const DEFAULT_ROTARY_FACTOR = 0.5;

export const glm: Architecture = {
  names: ["GlmForCausalLM"],
  describe(folder) {
    const parsed = parseLlamaConfig(folder);
    const partial_rotary_factor = parsed.partial_rotary_factor ?? DEFAULT_ROTARY_FACTOR;
    const config = { ...parsed, partial_rotary_factor };
    return describeLlamaDecoder(folder, config, {
      qkvBias: config.attention_bias,
      rotaryPairs: "neighbours",
      layer: ({ prefix, activation, hiddenSize }) => ({
        mlp: gatedMlp(`${prefix}.mlp`, hiddenSize, config.intermediate_size, {
          activation,
          names: MLP_NAMES,
        }),
      }),
    });
  },
};
