/** The loader of tokenizer.json. */
import { join } from "node:path";
import { parseJson, readTextIfPresent } from "../model-files.ts";
import type { TokenizerLoader } from "./tokenizer-source.ts";

/** @throws TroupeError `invalid_model` when the file is not JSON, `file_error` when it cannot be read */
export const loadTokenizerJson: TokenizerLoader = async (modelDir) => {
  const file = join(modelDir, "tokenizer.json");
  const text = await readTextIfPresent(file);
  return text === null ? null : { file, text, json: parseJson(text, file) };
};
