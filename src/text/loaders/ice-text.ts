/** The loader of `ice_text.model`, the SentencePiece vocabulary of the first ChatGLM. */
import { join } from "node:path";
import { parse, z } from "../../core/schema.ts";
import { parseJson, readBytesIfPresent, readTextIfPresent } from "../model-files.ts";
import { glm6bFamily, withGlm6bPieces } from "../sentencepiece/glm-6b.ts";
import { parseSentencePieceModel } from "../sentencepiece/model-proto.ts";
import { SentencePieceTokenizer } from "../sentencepiece/sentencepiece-tokenizer.ts";
import { namedTokensOf, type TokenizerLoader } from "./tokenizer-source.ts";

/** Its file's name. */
export const ICE_TEXT_FILE = "ice_text.model";

const SETTINGS = z.object({
  num_image_tokens: z.int().min(0).max(1_000_000).nullish(),
  remove_space: z.boolean().nullish(),
  do_lower_case: z.boolean().nullish(),
});
/** Of the Python class, whose first release knew no setting for it. */
const DEFAULT_IMAGE_TOKENS = 20_000;

export const iceTextLoader: TokenizerLoader = {
  files: ICE_TEXT_FILE,
  load: async (folder) => {
    const file = join(folder.dir, ICE_TEXT_FILE);
    const bytes = await readBytesIfPresent(file);
    if (bytes === null) return null;
    const configFile = join(folder.dir, "tokenizer_config.json");
    const text = await readTextIfPresent(configFile);
    const json = text === null ? {} : parseJson(text, configFile);
    const settings = parse(SETTINGS, json, { code: "invalid_model", what: configFile });
    const numImageTokens = settings.num_image_tokens ?? DEFAULT_IMAGE_TOKENS;
    const model = withGlm6bPieces(parseSentencePieceModel(bytes, file), numImageTokens);
    const family = glm6bFamily(model, {
      numImageTokens,
      removesSpace: settings.remove_space ?? false,
      lowersCase: settings.do_lower_case ?? false,
      spelled: namedTokensOf(folder),
    });
    return new SentencePieceTokenizer(model, family, true);
  },
};
