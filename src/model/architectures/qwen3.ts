/** Qwen 3 (dense): llama with a norm over each head of q and k. */
import type { Architecture } from "./architecture.ts";
import { qwenWindow } from "./layer-window.ts";
import { parseLlamaConfig } from "./llama-config.ts";
import { describeLlamaDecoder } from "./llama-decoder.ts";

/** Qwen 3 has heads of 128 whatever its hidden size, and config.json may leave that out. */
const DEFAULT_HEAD_DIM = 128;

export const qwen3: Architecture = {
  names: ["Qwen3ForCausalLM"],
  describe(folder) {
    const parsed = parseLlamaConfig(folder);
    const config = { ...parsed, head_dim: parsed.head_dim ?? DEFAULT_HEAD_DIM };
    return describeLlamaDecoder(folder, config, {
      qkvBias: config.attention_bias,
      outputBias: config.attention_bias,
      headNorms: true,
      window: qwenWindow(config),
    });
  },
};
