/**
 * The config.json keys that llama and its many relatives share, with Transformers' defaults for absent ones.
 */
import { parse, z } from "../../core/schema.ts";
import { TroupeError } from "../../errors/troupe-error.ts";
import type { DecoderDims } from "../decoder-description.ts";
import type { ModelFolder } from "../model-folder.ts";
import { ropeKeys } from "../rope-config.ts";

const size = z.number().int().positive();

const llamaConfigSchema = z.looseObject({
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
});

/** The parsed keys. */
export type LlamaConfig = z.infer<typeof llamaConfigSchema>;

/** @throws TroupeError `invalid_model` naming the key, `unsupported_model` for an activation other than SiLU. */
export function parseLlamaConfig(folder: ModelFolder): LlamaConfig {
  const what = `${folder.dir}/config.json`;
  const config = parse(llamaConfigSchema, folder.config, { code: "invalid_model", what });
  if (!["silu", "swish"].includes(config.hidden_act)) {
    const message = `${what}: hidden_act "${config.hidden_act}" is not supported for ${folder.architecture}; use silu`;
    throw new TroupeError("unsupported_model", message);
  }
  if (config.layer_types && config.layer_types.length !== config.num_hidden_layers) {
    const message = `${what}: layer_types has ${config.layer_types.length} entries for ${config.num_hidden_layers} layers`;
    throw new TroupeError("invalid_model", message);
  }
  return config;
}

/** @throws TroupeError `invalid_model` when heads do not divide. */
export function decoderDims(config: LlamaConfig, what: string): DecoderDims {
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
