/**
 * Baichuan 1 and 2: llama with q, k and v packed. The 13B models tell positions by ALiBi and have no
 * max_position_embeddings. Baichuan 2 divides each row of its head by its length; only version 1 has 64000 tokens or
 * the other spelling of the name.
 */
import { parse, z } from "../../core/schema.ts";
import { alibiSlopes } from "./alibi.ts";
import type { Architecture } from "./architecture.ts";
import { configPath, llamaKeys } from "./llama-config.ts";
import { describeLlamaDecoder } from "./llama-decoder.ts";
import { attentionSpec, stackedQkv } from "./parts.ts";

const positions = llamaKeys.max_position_embeddings.nullish();
const schema = z.looseObject({
  ...llamaKeys,
  max_position_embeddings: positions,
  model_max_length: positions,
});

const FIRST_VERSION_NAME = "BaiChuanForCausalLM";
const FIRST_VERSION_VOCABULARY = 64_000;
const DEFAULT_MAX_POSITIONS = 4096;

export const baichuan: Architecture = {
  names: ["BaichuanForCausalLM", FIRST_VERSION_NAME],
  describe(folder) {
    const config = parse(schema, folder.config, { code: "invalid_model", what: configPath(folder) });
    const hasAlibi = !config.max_position_embeddings;
    const maxPositions = config.max_position_embeddings ?? config.model_max_length ?? DEFAULT_MAX_POSITIONS;
    const isFirstVersion =
      folder.architecture === FIRST_VERSION_NAME || config.vocab_size === FIRST_VERSION_VOCABULARY;
    const decoder = describeLlamaDecoder(
      folder,
      { ...config, max_position_embeddings: maxPositions },
      {
        layer: ({ prefix, layer, ...dims }) => ({
          qkv: stackedQkv(`${prefix}.self_attn.W_pack`, dims, false),
          rotary: hasAlibi ? null : layer.rotary,
          attention: attentionSpec(dims.headDim, {
            alibiSlopes: hasAlibi ? alibiSlopes(dims.numHeads) : null,
          }),
        }),
      },
    );
    return {
      ...decoder,
      ropes: hasAlibi ? [] : decoder.ropes,
      head: { ...decoder.head, unitRows: !isFirstVersion },
    };
  },
};
