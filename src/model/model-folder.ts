/**
 * A Hugging Face model folder as far as every architecture shares it. What an architecture's own keys mean is read in
 * architectures/; the weights are read in safetensors/.
 */
import { join } from "node:path";
import { parse, z } from "../core/schema.ts";
import { TroupeError } from "../errors/troupe-error.ts";
import type { SamplingParams } from "../sampling/sampling-params.ts";
import { eosTokenIdSchema, readGenerationConfig } from "./generation-config.ts";
import { readOptionalJson } from "./json-file.ts";

const commonSchema = z.looseObject({
  architectures: z.array(z.string()).min(1),
  eos_token_id: eosTokenIdSchema,
  quantization_config: z.looseObject({ quant_method: z.string().optional() }).nullish(),
});

/** config.json and generation_config.json. */
export interface ModelFolder {
  readonly dir: string;
  /** The first of config.json's `architectures`: LlamaForCausalLM. */
  readonly architecture: string;
  /** config.json as it is. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Tokens that end an answer, from both files. */
  readonly eosTokenIds: readonly number[];
  /** Defaults for requests that leave a field out. */
  readonly defaultParams: Partial<SamplingParams>;
}

/**
 * Reads a model folder's configuration.
 *
 * @throws TroupeError `invalid_model` when config.json is missing or malformed, `unsupported_model` when its weights are
 * quantised already.
 * @example
 * ```ts
 * const folder = await readModelFolder("models/understudy");
 * folder.architecture; // LlamaForCausalLM
 * ```
 */
export async function readModelFolder(dir: string): Promise<ModelFolder> {
  const path = join(dir, "config.json");
  const json = await readOptionalJson(path);
  if (json === undefined) {
    throw new TroupeError(
      "invalid_model",
      `${path} is missing; a model folder has config.json and *.safetensors`,
    );
  }
  const common = parse(commonSchema, json, { code: "invalid_model", what: path });
  if (common.quantization_config) {
    const method = common.quantization_config.quant_method ?? "an unknown method";
    const message = `${path}: the checkpoint is quantised by ${method}; Troupe reads bf16, fp16 and fp32 checkpoints`;
    throw new TroupeError("unsupported_model", message);
  }
  const generation = await readGenerationConfig(dir);
  return {
    dir,
    architecture: common.architectures[0]!,
    config: json as Readonly<Record<string, unknown>>,
    eosTokenIds: [...new Set([...common.eos_token_id, ...generation.eosTokenIds])],
    defaultParams: generation.defaultParams,
  };
}
