/**
 * Qwen 3 and Qwen 2 (1.5) with mixtures of experts on most layers. Qwen 2's have one expert more that every token goes
 * through.
 */
import { parse, z } from "../../core/schema.ts";
import type { DecoderDescription } from "../decoder-description.ts";
import type { MixtureDescription } from "../mlp-description.ts";
import type { ModelFolder } from "../model-folder.ts";
import type { Architecture } from "./architecture.ts";
import { qwenWindow } from "./layer-window.ts";
import { configPath, llamaKeys } from "./llama-config.ts";
import { describeLlamaDecoder, type LayerContext, type LlamaVariant } from "./llama-decoder.ts";
import { checkNumChosen, describeMixture } from "./mixture.ts";
import { gatedMlp, linear } from "./parts.ts";

const size = z.number().int().positive();

const schema = z.looseObject({
  ...llamaKeys,
  num_experts: size.optional(),
  /** What newer files call it. */
  num_local_experts: size.optional(),
  num_experts_per_tok: size,
  moe_intermediate_size: size,
  shared_expert_intermediate_size: size.nullish(),
  norm_topk_prob: z.boolean().default(false),
  decoder_sparse_step: size.default(1),
  /** Layers with one plain MLP. */
  mlp_only_layers: z.array(z.number().int().nonnegative()).nullish(),
});
type Config = z.infer<typeof schema>;

/** Transformers' default for Qwen 3. */
const DEFAULT_NUM_EXPERTS = 128;

export const qwen3Moe: Architecture = {
  names: ["Qwen3MoeForCausalLM"],
  describe(folder) {
    const config = parseConfig(folder);
    const bias = config.attention_bias;
    const window = config.use_sliding_window ? (config.sliding_window ?? null) : null;
    return describeQwenMoe(folder, config, {
      qkvBias: bias,
      outputBias: bias,
      headNorms: true,
      window: () => window,
    });
  },
};

export const qwen2Moe: Architecture = {
  names: ["Qwen2MoeForCausalLM"],
  describe(folder) {
    const config = parseConfig(folder);
    return describeQwenMoe(folder, config, { qkvBias: true, window: qwenWindow(config) });
  },
};

function parseConfig(folder: ModelFolder): Config {
  return parse(schema, folder.config, { code: "invalid_model", what: configPath(folder) });
}

function describeQwenMoe(folder: ModelFolder, config: Config, variant: LlamaVariant): DecoderDescription {
  return describeLlamaDecoder(folder, config, {
    ...variant,
    layer: (context) => (isSparse(context.index, config) ? { mlp: mixtureOf(folder, context, config) } : {}),
  });
}

function isSparse(layer: number, config: Config): boolean {
  return !config.mlp_only_layers?.includes(layer) && (layer + 1) % config.decoder_sparse_step === 0;
}

function mixtureOf(
  folder: ModelFolder,
  { prefix, hiddenSize, activation }: LayerContext,
  config: Config,
): MixtureDescription {
  const numExperts = config.num_experts ?? config.num_local_experts ?? DEFAULT_NUM_EXPERTS;
  checkNumChosen(config.num_experts_per_tok, numExperts, configPath(folder));
  const mlp = `${prefix}.mlp`;
  const sharedSize = config.shared_expert_intermediate_size;
  const shared = sharedSize
    ? {
        mlp: gatedMlp(`${mlp}.shared_expert`, hiddenSize, sharedSize, {
          activation,
          segmentPrefix: "shared.",
        }),
        gate: linear("shared.gate", hiddenSize, { [`${mlp}.shared_expert_gate`]: 1 }, false),
      }
    : null;
  return describeMixture(`${mlp}.gate`, hiddenSize, {
    numExperts,
    numChosen: config.num_experts_per_tok,
    normalizeWeights: config.norm_topk_prob,
    expert: (index, segmentPrefix) =>
      gatedMlp(`${mlp}.experts.${index}`, hiddenSize, config.moe_intermediate_size, {
        activation,
        segmentPrefix,
      }),
    shared,
  });
}
