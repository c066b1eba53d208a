/** Sizes that config.json may say where the graphs do not, in the spellings of all families. */
import { z } from "../../core/schema.ts";

const size = z.int().positive().nullish();

/** What Troupe looks at in the config.json of a model that is run as it is. */
export const graphConfigSchema = z.looseObject({
  architectures: z.array(z.string()).nullish(),
  model_type: z.string().nullish(),
  hidden_size: size,
  n_embd: size,
  num_attention_heads: size,
  n_head: size,
  num_key_value_heads: size,
  head_dim: size,
  vocab_size: size,
  max_position_embeddings: size,
  n_positions: size,
  seq_length: size,
});

/** Undefined where the file says nothing. */
export interface ConfigSizes {
  readonly numKvHeads: number | undefined;
  readonly headDim: number | undefined;
  readonly vocabSize: number | undefined;
  readonly maxPositions: number | undefined;
}

export function configSizes(config: z.infer<typeof graphConfigSchema>): ConfigSizes {
  const numHeads = config.num_attention_heads ?? config.n_head;
  const width = config.hidden_size ?? config.n_embd;
  return {
    numKvHeads: config.num_key_value_heads ?? numHeads ?? undefined,
    headDim: config.head_dim ?? (width && numHeads ? width / numHeads : undefined),
    vocabSize: config.vocab_size ?? undefined,
    maxPositions: config.max_position_embeddings ?? config.n_positions ?? config.seq_length ?? undefined,
  };
}
