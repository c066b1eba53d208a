/** InternLM: llama with biases on all attention projections. */
import { parse, z } from "../../core/schema.ts";
import type { Architecture } from "./architecture.ts";
import { configPath, llamaKeys } from "./llama-config.ts";
import { describeLlamaDecoder } from "./llama-decoder.ts";

const schema = z.looseObject({
  ...llamaKeys,
  bias: z.boolean().default(true),
  /** Its own spelling of rope_scaling. */
  rotary: z
    .looseObject({
      type: z.string(),
      base: z.number().positive().default(10_000),
      scaling_factor: z.number().positive().default(1),
    })
    .nullish(),
});

export const internlm: Architecture = {
  names: ["InternLMForCausalLM"],
  describe(folder) {
    const config = parse(schema, folder.config, { code: "invalid_model", what: configPath(folder) });
    const { rotary, bias } = config;
    const ropeKeys =
      rotary?.type === "dynamic"
        ? { rope_theta: rotary.base, rope_scaling: { type: "dynamic", factor: rotary.scaling_factor } }
        : { rope_theta: rotary?.base ?? config.rope_theta };
    return describeLlamaDecoder(folder, { ...config, ...ropeKeys }, { qkvBias: bias, outputBias: bias });
  },
};
