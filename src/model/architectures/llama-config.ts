/**
 * The config.json keys that llama and its many relatives share, with Transformers' defaults for absent ones.
 */
import { parse, z } from "../../core/schema.ts";
import { TroupeError } from "../../errors/troupe-error.ts";
import type { DecoderDims } from "../decoder-description.ts";
import type { ModelFolder } from "../model-folder.ts";
import { ropeKeys } from "../rope-config.ts";

const size = z.number().int().positive();

/** The keys, for families that have more. */
export const llamaKeys = {
  hidden_size: size,
  intermediate_size: size,
  num_hidden_layers: size,
  num_attention_heads: size,
  num_key_value_heads: size.nullish(),
  head_dim: size.nullish(),
  vocab_size: size,
  max_position_embeddings: size,
  rms_norm_eps: z.number().positive().default(1e-6),
  hidden_act: z.string().default("silu"),
  tie_word_embeddings: z.boolean().default(false),
  attention_bias: z.boolean().default(false),
  mlp_bias: z.boolean().default(false),
  layer_types: z.array(z.string()).nullish(),
  sliding_window: size.nullish(),
  use_sliding_window: z.boolean().default(false),
  max_window_layers: z.number().int().nonnegative().nullish(),
  ...ropeKeys,
};
const llamaConfigSchema = z.looseObject(llamaKeys);

/** The parsed keys. */
export type LlamaConfig = z.infer<typeof llamaConfigSchema>;

/** @throws TroupeError `invalid_model` naming the key */
export function parseLlamaConfig(folder: ModelFolder): LlamaConfig {
  return parse(llamaConfigSchema, folder.config, { code: "invalid_model", what: configPath(folder) });
}

/** Where the settings of a model stand, for errors. */
export function configPath(folder: ModelFolder): string {
  return `${folder.dir}/config.json`;
}

type DimsConfig = Pick<
  LlamaConfig,
  "hidden_size" | "num_attention_heads" | "num_key_value_heads" | "head_dim" | "vocab_size"
>;

/** @throws TroupeError `invalid_model` when heads do not divide. */
export function decoderDims(config: DimsConfig, what: string): DecoderDims {
  const { hidden_size: hiddenSize, num_attention_heads: numHeads } = config;
  const numKvHeads = config.num_key_value_heads ?? numHeads;
  const headDim = config.head_dim ?? hiddenSize / numHeads;
  if (!Number.isInteger(headDim)) {
    throw new TroupeError(
      "invalid_model",
      `${what}: hidden_size ${hiddenSize} does not divide into ${numHeads} heads`,
    );
  }
  if (numHeads % numKvHeads !== 0) {
    throw new TroupeError(
      "invalid_model",
      `${what}: ${numHeads} heads do not share ${numKvHeads} KV heads evenly`,
    );
  }
  return { hiddenSize, numHeads, numKvHeads, headDim, vocabSize: config.vocab_size };
}
