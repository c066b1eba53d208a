/**
 * generation_config.json: the sampling defaults and end tokens a model's makers recommend.
 */
import { join } from "node:path";
import { parse, z } from "../core/schema.ts";
import type { SamplingParams } from "../sampling/sampling-params.ts";
import { readOptionalJson } from "./json-file.ts";

const tokenId = z.number().int().nonnegative();

/** `eos_token_id` as config.json and generation_config.json spell it: absent, null, one or several. */
export const eosTokenIdSchema = z
  .union([tokenId, z.array(tokenId)])
  .nullish()
  .transform((ids) => (ids === null || ids === undefined ? [] : [ids].flat()));

const generationConfigSchema = z.looseObject({
  eos_token_id: eosTokenIdSchema,
  temperature: z.number().min(0).max(2).nullish(),
  top_k: z.number().int().min(-1).nullish(),
  top_p: z.number().positive().max(1).nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  typical_p: z.number().positive().max(1).nullish(),
  repetition_penalty: z.number().positive().max(2).nullish(),
  max_new_tokens: z.number().int().positive().nullish(),
});

/** What generation_config.json says. */
export interface GenerationConfig {
  readonly eosTokenIds: readonly number[];
  readonly defaultParams: Partial<SamplingParams>;
}

/**
 * Reads the file, if there is one. As in vLLM, the values count whatever `do_sample` says: that flag chooses between
 * Transformers' own loops, and a request to an API chooses for itself.
 *
 * @throws TroupeError `invalid_model` naming the key that is out of range.
 */
export async function readGenerationConfig(dir: string): Promise<GenerationConfig> {
  const path = join(dir, "generation_config.json");
  const json = (await readOptionalJson(path)) ?? {};
  const config = parse(generationConfigSchema, json, { code: "invalid_model", what: path });
  const named: Record<string, number | null | undefined> = {
    temperature: config.temperature,
    topK: config.top_k === -1 ? 0 : config.top_k,
    topP: config.top_p,
    minP: config.min_p,
    typicalP: config.typical_p,
    repetitionPenalty: config.repetition_penalty,
    maxTokens: config.max_new_tokens,
  } satisfies { [K in keyof SamplingParams]?: number | null | undefined };
  const given = Object.entries(named).filter(([, value]) => value !== null && value !== undefined);
  return { eosTokenIds: config.eos_token_id, defaultParams: Object.fromEntries(given) };
}
