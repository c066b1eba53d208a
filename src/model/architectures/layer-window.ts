/** Which layers of a model see only a window, as config.json tells it. */
import type { LlamaConfig } from "./llama-config.ts";

/**
 * Qwen's rule: with `use_sliding_window`, the layers named by `layer_types`, or in older files those from
 * `max_window_layers` on, see `sliding_window` tokens.
 */
export function qwenWindow(config: LlamaConfig): (layer: number) => number | null {
  const window = config.use_sliding_window ? (config.sliding_window ?? null) : null;
  const firstWindowed = config.max_window_layers ?? DEFAULT_MAX_WINDOW_LAYERS;
  return (layer) => {
    const type = config.layer_types?.[layer];
    const isWindowed = type === undefined ? layer >= firstWindowed : type === "sliding_attention";
    return isWindowed ? window : null;
  };
}

/** Transformers' default for Qwen 2 and 3. */
const DEFAULT_MAX_WINDOW_LAYERS = 28;
