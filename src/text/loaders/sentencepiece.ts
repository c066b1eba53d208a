/** The loader of SentencePiece's tokenizer.model: Llama, Baichuan, InternLM, ChatGLM and their relatives. */
import { join } from "node:path";
import { readBytesIfPresent } from "../model-files.ts";
import { parseSentencePieceModel } from "../sentencepiece/model-proto.ts";
import { SentencePieceTokenizer } from "../sentencepiece/sentencepiece-tokenizer.ts";
import { sentencePieceFamily } from "../sentencepiece/tokenizer-family.ts";
import { isRankFile } from "./tiktoken.ts";
import type { TokenizerLoader } from "./tokenizer-source.ts";

export const sentencePieceLoader: TokenizerLoader = {
  files: "tokenizer.model",
  load: async (folder) => {
    const file = join(folder.dir, "tokenizer.model");
    const bytes = await readBytesIfPresent(file);
    if (bytes === null || isRankFile(bytes.toString("latin1", 0, 1000))) return null;
    const model = parseSentencePieceModel(bytes, file);
    return new SentencePieceTokenizer(model, sentencePieceFamily(model, folder), folder.settings.isLegacy);
  },
};
