/** Phi-3, 3.5 and 4: llama with q, k and v packed, gate and up packed, and angles stretched by a table. */
import type { Architecture } from "./architecture.ts";
import { type LlamaConfig, parseLlamaConfig } from "./llama-config.ts";
import { describeLlamaDecoder } from "./llama-decoder.ts";
import { gatedMlp, stackedQkv } from "./parts.ts";

const MLP_NAMES = { gateUp: ["gate_up_proj"], down: "down_proj" } as const;

export const phi3: Architecture = {
  names: ["Phi3ForCausalLM"],
  describe(folder) {
    const config = withLongrope(parseLlamaConfig(folder));
    return describeLlamaDecoder(folder, config, {
      window: () => config.sliding_window ?? null,
      layer: ({ prefix, activation, ...dims }) => ({
        qkv: stackedQkv(`${prefix}.self_attn.qkv_proj`, dims, false),
        mlp: gatedMlp(`${prefix}.mlp`, dims.hiddenSize, config.intermediate_size, {
          activation,
          names: MLP_NAMES,
        }),
      }),
    });
  },
};

/** The first releases called longrope "su" or "yarn", which it is not. */
function withLongrope(config: LlamaConfig): LlamaConfig {
  const type = config.rope_scaling?.type;
  if (type !== "su" && type !== "yarn") return config;
  return { ...config, rope_scaling: { ...config.rope_scaling, type: "longrope" } };
}
