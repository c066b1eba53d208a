/** genai_config.json, which onnxruntime-genai's exports carry in the place of config.json. */
import { join } from "node:path";
import { parse, z } from "../../core/schema.ts";
import { TroupeError } from "../../errors/troupe-error.ts";
import { eosTokenIdSchema } from "../generation-config.ts";
import { readOptionalJson } from "../json-file.ts";

const size = z.int().positive();

const decoderSchema = z.looseObject({
  filename: z.string().min(1).optional(),
  head_size: size.optional(),
  num_key_value_heads: size.optional(),
  num_hidden_layers: size.optional(),
  inputs: z.record(z.string(), z.string()).default({}),
  outputs: z.record(z.string(), z.string()).default({}),
  pipeline: z.array(z.unknown()).nullish(),
  sliding_window: z.looseObject({}).nullish(),
});

const schema = z.looseObject({
  model: z.looseObject({
    type: z.string().default("decoder"),
    vocab_size: size.optional(),
    context_length: size.optional(),
    eos_token_id: eosTokenIdSchema,
    decoder: decoderSchema,
  }),
});

/** What the file says of the model, in the words of config.json where it has them. */
export interface GenaiConfig {
  readonly path: string;
  readonly type: string;
  /** Relative to the folder. */
  readonly file: string;
  /** The graph's names of standard inputs, by what the file calls them: input_ids, attention_mask, past_key_names, ... */
  readonly inputs: Readonly<Record<string, string>>;
  readonly outputs: Readonly<Record<string, string>>;
  readonly eosTokenIds: readonly number[];
  readonly sizes: Readonly<Record<string, number | undefined>>;
}

/**
 * @returns undefined when the folder has none
 * @throws TroupeError `invalid_model` naming the key; `unsupported_model` for a decoder in several files, or one whose
 *   layers keep a window of keys and values
 */
export async function readGenaiConfig(dir: string): Promise<GenaiConfig | undefined> {
  const path = join(dir, "genai_config.json");
  const json = await readOptionalJson(path);
  if (json === undefined) return undefined;
  const { model } = parse(schema, json, { code: "invalid_model", what: path });
  const { decoder } = model;
  if (decoder.pipeline !== null && decoder.pipeline !== undefined && decoder.pipeline.length > 0)
    throw unsupported(path, "its decoder is a pipeline of several files; Troupe runs decoders of one");
  if (decoder.sliding_window !== null && decoder.sliding_window !== undefined)
    throw unsupported(path, "its layers keep a window of keys and values; export it with all of them");
  return {
    path,
    type: model.type,
    file: decoder.filename ?? "model.onnx",
    inputs: decoder.inputs,
    outputs: decoder.outputs,
    eosTokenIds: model.eos_token_id,
    sizes: {
      vocab_size: model.vocab_size,
      max_position_embeddings: model.context_length,
      num_hidden_layers: decoder.num_hidden_layers,
      num_key_value_heads: decoder.num_key_value_heads,
      head_dim: decoder.head_size,
    },
  };
}

function unsupported(path: string, what: string): TroupeError {
  return new TroupeError("unsupported_model", `${path}: ${what}.`, { details: { path } });
}
