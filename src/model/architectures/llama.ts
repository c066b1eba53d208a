/** Llama 1 to 3 and the many models published in its form (Code Llama, TinyLlama, SmolLM, Yi, ...). */
import type { Architecture } from "./architecture.ts";
import { parseLlamaConfig } from "./llama-config.ts";
import { describeLlamaDecoder } from "./llama-decoder.ts";

export const llama: Architecture = {
  names: ["LlamaForCausalLM", "LLaMAForCausalLM"],
  describe(folder) {
    const config = parseLlamaConfig(folder);
    return describeLlamaDecoder(folder, config, {
      qkvBias: config.attention_bias,
      outputBias: config.attention_bias,
      mlpBias: config.mlp_bias,
    });
  },
};
