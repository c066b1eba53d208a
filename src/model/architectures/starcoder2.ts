/** StarCoder 2: llama with layer norms, biases everywhere and an MLP without a gate. */
import { parse, z } from "../../core/schema.ts";
import type { Architecture } from "./architecture.ts";
import { configPath, llamaKeys } from "./llama-config.ts";
import { describeLlamaDecoder } from "./llama-decoder.ts";
import { layerNorm, linear } from "./parts.ts";

const schema = z.looseObject({
  ...llamaKeys,
  hidden_act: z.string().default("gelu_pytorch_tanh"),
  norm_epsilon: z.number().positive().default(1e-5),
  use_bias: z.boolean().default(true),
  tie_word_embeddings: z.boolean().default(true),
});

export const starcoder2: Architecture = {
  names: ["Starcoder2ForCausalLM"],
  describe(folder) {
    const config = parse(schema, folder.config, { code: "invalid_model", what: configPath(folder) });
    const { use_bias: hasBias, intermediate_size: intermediateSize } = config;
    const norm = (module: string) => layerNorm(module, config.hidden_size, config.norm_epsilon);
    const decoder = describeLlamaDecoder(folder, config, {
      qkvBias: hasBias,
      outputBias: hasBias,
      window: () => config.sliding_window ?? null,
      layer: ({ prefix, activation, hiddenSize }) => ({
        inputNorm: norm(`${prefix}.input_layernorm`),
        mlpNorm: norm(`${prefix}.post_attention_layernorm`),
        mlp: {
          kind: "plain",
          activation,
          up: linear("up", hiddenSize, { [`${prefix}.mlp.c_fc`]: intermediateSize }, hasBias),
          down: linear("down", intermediateSize, { [`${prefix}.mlp.c_proj`]: hiddenSize }, hasBias),
        },
      }),
    });
    return { ...decoder, finalNorm: norm("model.norm") };
  },
};
