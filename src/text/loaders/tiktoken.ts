/**
 * The loader of tiktoken rank files: lines of a token's bytes in base64 and its rank. Qwen's first generation has
 * qwen.tiktoken; GLM-4 has the same under the name tokenizer.model. What the file does not say (how a text is cut, special
 * tokens) is defined by the family's Python class.
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { TroupeError } from "../../errors/troupe-error.ts";
import { type AddedToken, plainToken } from "../added-tokens.ts";
import { readTextIfPresent } from "../model-files.ts";
import { RustTokenizer } from "../rust-tokenizer.ts";
import { byteLevelSource } from "./byte-level-json.ts";
import { byteLevelSpeller, mergesOfRanks, parseRanks } from "./tiktoken-ranks.ts";
import { namedTokensOf, type TokenizerFolder, type TokenizerLoader } from "./tokenizer-source.ts";
import { QWEN_PATTERN } from "./vocab-merges.ts";

/** What a Python class adds to a rank file. */
interface TiktokenClass {
  readonly composes: boolean;
  readonly pattern: string;
  readonly specialTokens: (numRanks: number) => readonly AddedToken[];
  /** Before every text. */
  readonly prefix: readonly string[];
}

/** tokenization_qwen.py of Qwen/Qwen-7B. */
const QWEN: TiktokenClass = {
  composes: true,
  pattern: QWEN_PATTERN,
  specialTokens: (numRanks) =>
    [
      "<|endoftext|>",
      "<|im_start|>",
      "<|im_end|>",
      ...Array.from({ length: 205 }, (_, i) => `<|extra_${i}|>`),
    ].map((content, index) => plainToken(numRanks + index, content, true)),
  prefix: [],
};
/** tokenization_chatglm.py of THUDM/glm-4-9b; its special tokens stand in tokenizer_config.json. */
const GLM4: TiktokenClass = {
  composes: false,
  pattern: QWEN_PATTERN.replace("\\p{N}|", "\\p{N}{1,3}|"),
  specialTokens: () => [],
  prefix: ["[gMASK]", "<sop>"],
};

export const tiktokenLoader: TokenizerLoader = {
  files: "*.tiktoken",
  load: async (folder) => {
    const names = await readdir(folder.dir).catch(() => []);
    const name = names.find((candidate) => candidate.endsWith(".tiktoken")) ?? "tokenizer.model";
    const file = join(folder.dir, name);
    const text = await readTextIfPresent(file);
    if (text === null || !isRankFile(text)) return null;
    return tokenizerOf(text, file, folder);
  },
};

/** A rank file's first line; a SentencePiece model begins with a control character. */
export function isRankFile(text: string): boolean {
  return /^[A-Za-z0-9+/]+={0,2} \d+\r?(?:\n|$)/.test(text.slice(0, 1000));
}

function tokenizerOf(text: string, file: string, folder: TokenizerFolder): RustTokenizer {
  const family = classOf(folder, file);
  const ranks = parseRanks(text, file);
  const spell = byteLevelSpeller();
  const vocab = new Map(Array.from(ranks, ([bytes, rank]) => [spell(bytes), rank]));
  const own = folder.settings.addedTokens;
  const addedTokens = own.length > 0 ? own : family.specialTokens(ranks.size);
  const prefix = addedTokens.filter(({ content }) => family.prefix.includes(content));
  const merges = mergesOfRanks(ranks).map(([left, right]) => [spell(left), spell(right)] as const);
  const source = byteLevelSource(
    { file, vocab, merges, ignoresMerges: true, addedTokens, prefix },
    { composes: family.composes, pattern: family.pattern, addsPrefixSpace: false },
    folder,
  );
  return new RustTokenizer(source, namedTokensOf(folder));
}

function classOf({ settings, family }: TokenizerFolder, file: string): TiktokenClass {
  const { tokenizerClass } = settings;
  if (tokenizerClass === "QWenTokenizer" || (tokenizerClass === null && family.modelType === "qwen"))
    return QWEN;
  if (tokenizerClass === "ChatGLM4Tokenizer") return GLM4;
  const message =
    `${file} is a tiktoken file, but how a ${tokenizerClass ?? "tokenizer without tokenizer_class"} cuts a text is not ` +
    "known (known: QWenTokenizer, ChatGLM4Tokenizer). Put the model's tokenizer.json beside it.";
  throw new TroupeError("unsupported_model", message, { details: { file, tokenizerClass } });
}
