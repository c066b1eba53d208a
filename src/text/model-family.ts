/**
 * Which family a model folder's text side belongs to, as far as its own files say: where a family's tokenizer or prompt
 * form is defined by a Python class instead of a file, this decides which definition of ours applies.
 */
import { join } from "node:path";
import { parse, z } from "../core/schema.ts";
import { parseJson, readTextIfPresent } from "./model-files.ts";

/** What config.json and generation_config.json say; null or empty where they say nothing. */
export interface ModelFamily {
  /** `model_type`: llama, baichuan, chatglm, ... */
  readonly modelType: string | null;
  readonly architectures: readonly string[];
  /** Where the checkpoint came from: `THUDM/chatglm2-6b`. */
  readonly origin: string;
  /** The first ChatGLM; later ones have its name but not its keys. */
  readonly isGlm6b: boolean;
  /** Tokens that open a turn in Baichuan's form. */
  readonly userTokenId: number | null;
  readonly assistantTokenId: number | null;
}

const CONFIG = z.object({
  model_type: z.string().nullish(),
  architectures: z.array(z.string()).nullish(),
  _name_or_path: z.string().nullish(),
  inner_hidden_size: z.unknown().optional(),
  position_encoding_2d: z.unknown().optional(),
});
const tokenId = z.int().min(0).nullish();
const GENERATION = z.object({ user_token_id: tokenId, assistant_token_id: tokenId });

/** @throws TroupeError `invalid_model` naming file and key; `file_error` */
export async function readModelFamily(modelDir: string): Promise<ModelFamily> {
  const [config, generation] = await Promise.all([
    readJson(join(modelDir, "config.json"), CONFIG),
    readJson(join(modelDir, "generation_config.json"), GENERATION),
  ]);
  return {
    modelType: config.model_type ?? null,
    architectures: config.architectures ?? [],
    isGlm6b: config.inner_hidden_size !== undefined || config.position_encoding_2d !== undefined,
    origin: config._name_or_path ?? "",
    userTokenId: generation.user_token_id ?? null,
    assistantTokenId: generation.assistant_token_id ?? null,
  };
}

async function readJson<T>(file: string, schema: z.ZodType<T>): Promise<T> {
  const text = await readTextIfPresent(file);
  return parse(schema, text === null ? {} : parseJson(text, file), { code: "invalid_model", what: file });
}
