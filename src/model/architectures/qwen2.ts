/** Qwen 1.5, 2 and 2.5: llama with biases on q, k and v, and a window on the upper layers where it is switched on. */
import type { Architecture } from "./architecture.ts";
import { qwenWindow } from "./layer-window.ts";
import { parseLlamaConfig } from "./llama-config.ts";
import { describeLlamaDecoder } from "./llama-decoder.ts";

export const qwen2: Architecture = {
  names: ["Qwen2ForCausalLM"],
  describe(folder) {
    const config = parseLlamaConfig(folder);
    return describeLlamaDecoder(folder, config, {
      qkvBias: true,
      window: qwenWindow(config),
    });
  },
};
