/** Mistral: llama with a sliding window on every layer. */
import type { Architecture } from "./architecture.ts";
import { parseLlamaConfig } from "./llama-config.ts";
import { describeLlamaDecoder } from "./llama-decoder.ts";

/** Transformers' default where config.json has no such key; null in the file means no window. */
const DEFAULT_WINDOW = 4096;

export const mistral: Architecture = {
  names: ["MistralForCausalLM"],
  describe(folder) {
    const config = parseLlamaConfig(folder);
    const window = config.sliding_window === undefined ? DEFAULT_WINDOW : config.sliding_window;
    return describeLlamaDecoder(folder, config, {
      window: () => window,
    });
  },
};
