/** The loader of vocab.json with merges.txt: byte-level BPE as GPT-2, StarCoder, WizardCoder and Qwen have it. */
import { join } from "node:path";
import { TroupeError } from "../../errors/troupe-error.ts";
import { parseJson, readTextIfPresent } from "../model-files.ts";
import { RustTokenizer } from "../rust-tokenizer.ts";
import { type ByteLevelStyle, byteLevelSource } from "./byte-level-json.ts";
import { namedTokensOf, type TokenizerFolder, type TokenizerLoader } from "./tokenizer-source.ts";

const GPT2 = { composes: false, pattern: null };
/** transformers, tokenization_qwen2.py, PRETOKENIZE_REGEX. */
export const QWEN_PATTERN =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const QWEN2 = { composes: true, pattern: QWEN_PATTERN };

/** By tokenizer_class; they differ in how a text is cut, which the files themselves do not say. */
const STYLES: Readonly<Record<string, Omit<ByteLevelStyle, "addsPrefixSpace">>> = {
  GPT2Tokenizer: GPT2,
  CodeGenTokenizer: GPT2,
  Qwen2Tokenizer: QWEN2,
};

export const vocabMergesLoader: TokenizerLoader = {
  files: "vocab.json with merges.txt",
  load: async (folder) => {
    const vocabFile = join(folder.dir, "vocab.json");
    const mergesFile = join(folder.dir, "merges.txt");
    const [vocabText, mergesText] = await Promise.all([vocabFile, mergesFile].map(readTextIfPresent));
    if (typeof vocabText !== "string" || typeof mergesText !== "string") return null;
    const vocab = readVocab(parseJson(vocabText, vocabFile), vocabFile);
    const source = byteLevelSource(
      {
        file: vocabFile,
        vocab,
        merges: readMerges(mergesText, mergesFile, vocab),
        ignoresMerges: false,
        addedTokens: folder.settings.addedTokens,
        prefix: [],
      },
      styleOf(folder),
      folder,
    );
    return new RustTokenizer(source, namedTokensOf(folder));
  },
};

function styleOf({ dir, settings, family }: TokenizerFolder): ByteLevelStyle {
  const byFamily = /^qwen[23]/.test(family.modelType ?? "") ? "Qwen2Tokenizer" : "GPT2Tokenizer";
  const style = STYLES[settings.tokenizerClass ?? byFamily];
  if (style !== undefined) return { ...style, addsPrefixSpace: settings.addPrefixSpace ?? false };
  const message =
    `${dir}: how a ${settings.tokenizerClass} cuts a text is not known (known: ${Object.keys(STYLES).join(", ")}). ` +
    "Put the model's tokenizer.json beside vocab.json, or serve token ids alone with --skip-tokenizer-init.";
  throw new TroupeError("unsupported_model", message, {
    details: { tokenizerClass: settings.tokenizerClass },
  });
}

/** By hand, because a vocabulary has up to 250,000 entries, and `__proto__` may be one of them. */
function readVocab(json: unknown, file: string): ReadonlyMap<string, number> {
  const isObject = typeof json === "object" && json !== null && !Array.isArray(json);
  const vocab = new Map<string, number>();
  for (const [token, id] of Object.entries(isObject ? json : {})) {
    if (!Number.isInteger(id) || id < 0 || id >= 2 ** 31)
      throw new TroupeError("invalid_model", `${file}: ${JSON.stringify(token)} has no token id but ${id}.`, {
        details: { file, token },
      });
    vocab.set(token, id);
  }
  if (vocab.size > 0) return vocab;
  throw new TroupeError("invalid_model", `${file} is not an object of tokens and ids.`, {
    details: { file },
  });
}

function readMerges(
  text: string,
  file: string,
  vocab: ReadonlyMap<string, number>,
): readonly (readonly [string, string])[] {
  const merges: (readonly [string, string])[] = [];
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
    if (line === "" || line.startsWith("#version")) continue;
    const [left, right, more] = line.split(" ");
    if (left === undefined || right === undefined || left === "" || right === "" || more !== undefined)
      throw badMerge(file, index, `is no pair of tokens: ${JSON.stringify(line.slice(0, 80))}`);
    const unknown = [left, right, left + right].find((token) => !vocab.has(token));
    if (unknown !== undefined)
      throw badMerge(file, index, `uses ${JSON.stringify(unknown)}, which vocab.json does not have`);
    merges.push([left, right]);
  }
  return merges;
}

function badMerge(file: string, index: number, problem: string): TroupeError {
  const message = `${file}: line ${index + 1} ${problem}. Download both files again.`;
  return new TroupeError("invalid_model", message, { details: { file, line: index + 1 } });
}
