/** Finds and loads the tokenizer of a model folder. */
import { readdir } from "node:fs/promises";
import { TroupeError } from "../errors/troupe-error.ts";
import { ICE_TEXT_FILE, iceTextLoader } from "./loaders/ice-text.ts";
import { sentencePieceLoader } from "./loaders/sentencepiece.ts";
import { tiktokenLoader } from "./loaders/tiktoken.ts";
import { tokenizerJsonLoader } from "./loaders/tokenizer-json.ts";
import type { TokenizerLoader } from "./loaders/tokenizer-source.ts";
import { vocabMergesLoader } from "./loaders/vocab-merges.ts";
import { type ModelFamily, readModelFamily } from "./model-family.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { readTokenizerSettings, type TokenizerSettings } from "./tokenizer-settings.ts";

/** Tried in this order; the first that finds its files wins. */
const LOADERS: readonly TokenizerLoader[] = [
  tokenizerJsonLoader,
  sentencePieceLoader,
  iceTextLoader,
  vocabMergesLoader,
  tiktokenLoader,
];

/**
 * @param settings what was read of the folder already.
 * @throws TroupeError `invalid_model` naming file and cause, or the files that were looked for; `unsupported_model`,
 *   `file_error`
 * @example
 * ```ts
 * const tokenizer = await loadTokenizer("models/understudy");
 * await tokenizer.encode("Hello", { addSpecialTokens: false }); // Int32Array [1436]
 * ```
 */
export async function loadTokenizer(
  modelDir: string,
  settings?: TokenizerSettings,
  family?: ModelFamily,
): Promise<Tokenizer> {
  const folder = {
    dir: modelDir,
    settings: settings ?? (await readTokenizerSettings(modelDir)),
    family: family ?? (await readModelFamily(modelDir)),
  };
  for (const { load } of LOADERS) {
    const tokenizer = await load(folder);
    if (tokenizer !== null) return tokenizer;
  }
  const files = LOADERS.map((loader) => loader.files).join(", nor ");
  throw new TroupeError(
    "invalid_model",
    `${modelDir} has no ${files}. Add a tokenizer, or serve token ids alone with --skip-tokenizer-init.`,
    { details: { modelDir } },
  );
}

/** Whether a folder has the files of a tokenizer; they are not read. */
export async function hasTokenizerFiles(modelDir: string): Promise<boolean> {
  const names = new Set(await readdir(modelDir).catch(() => []));
  if (["tokenizer.json", "tokenizer.model", ICE_TEXT_FILE].some((name) => names.has(name))) return true;
  if (names.has("vocab.json") && names.has("merges.txt")) return true;
  return [...names].some((name) => name.endsWith(".tiktoken"));
}
